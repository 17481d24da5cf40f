import type { CustomerKey, Pseudonymizer } from "@ebb/core/ids";

const CUSTOMER_KEY = /^cus_[0-9a-f]{32}$/;

export const isCustomerKey = (id: string): id is CustomerKey => CUSTOMER_KEY.test(id);

/** A customer goes by the producer's own id, or by the key that stands in the lake. */
export const customerKeyOf = (id: string, pseudonyms: Pseudonymizer): CustomerKey =>
  isCustomerKey(id) ? id : pseudonyms.customer(id);
