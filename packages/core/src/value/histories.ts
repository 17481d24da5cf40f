/**
 * What the models of value need of a customer: repeat purchases x, time of the last one t_x and time observed T, both
 * from the first purchase (Fader, Hardie & Lee 2005). Times are in one unit of the caller's choice, such as days.
 *
 * How they are counted: purchases of one customer on one day are one purchase; x does not count the first; T ends with
 * the last day that is observed. With weeks = days / 7 and the end 1997-09-30 this is the published CDNOW sample.
 */

/** Columns of equal length, one entry a group of `customers` customers with the same x, t_x and T. */
export interface PurchaseHistories {
  readonly x: Float64Array;
  readonly tx: Float64Array;
  readonly T: Float64Array;
  readonly customers: Float64Array;
}

/** One customer. */
export interface PurchaseHistory {
  readonly x: number;
  readonly tx: number;
  readonly T: number;
}

/**
 * Groups customers with the same history: a likelihood then costs one term a group. A million customers counted in days
 * over two years are some hundred thousand groups. Groups are in order of their first customer.
 *
 * @throws RangeError for columns of unequal length and for a history that cannot be (see `checkHistories`)
 */
export const groupHistories = (
  x: ArrayLike<number>,
  tx: ArrayLike<number>,
  T: ArrayLike<number>,
): PurchaseHistories => {
  const groups = new Map<number, Map<number, Map<number, number>>>();
  const rows: number[] = [];
  const counts: number[] = [];
  for (let i = 0; i < x.length; i++) {
    const byT = groups.get(x[i]!) ?? new Map<number, Map<number, number>>();
    const byTx = byT.get(T[i]!) ?? new Map<number, number>();
    const group = byTx.get(tx[i]!);
    if (group !== undefined) {
      counts[group]!++;
      continue;
    }
    byTx.set(tx[i]!, rows.length);
    byT.set(T[i]!, byTx);
    groups.set(x[i]!, byT);
    rows.push(i);
    counts.push(1);
  }
  if (tx.length !== x.length || T.length !== x.length)
    throw new RangeError(`columns of unequal length: x ${x.length}, tx ${tx.length}, T ${T.length}`);
  const histories = {
    x: Float64Array.from(rows, (i) => x[i]!),
    tx: Float64Array.from(rows, (i) => tx[i]!),
    T: Float64Array.from(rows, (i) => T[i]!),
    customers: Float64Array.from(counts),
  };
  checkHistories(histories);
  return histories;
};

/**
 * @throws RangeError that names the first row with an x that is no count, a t_x outside [0, T], a t_x that does not fit
 *   its x (0 exactly where x is 0), or a number of customers that is no count
 */
export const checkHistories = ({ x, tx, T, customers }: PurchaseHistories): void => {
  if (tx.length !== x.length || T.length !== x.length || customers.length !== x.length)
    throw new RangeError(
      `columns of unequal length: x ${x.length}, tx ${tx.length}, T ${T.length}, customers ${customers.length}`,
    );
  for (let i = 0; i < x.length; i++) {
    const fits = x[i] === 0 ? tx[i] === 0 : tx[i]! > 0;
    const counts = Number.isInteger(x[i]) && x[i]! >= 0 && Number.isInteger(customers[i]) && customers[i]! > 0;
    if (!(counts && fits && tx[i]! <= T[i]! && Number.isFinite(T[i])))
      throw new RangeError(
        `no purchase history in row ${i}: x=${x[i]} tx=${tx[i]} T=${T[i]} customers=${customers[i]}`,
      );
  }
};
