/** What the API answers, as far as the pages read it. The API's own description is `/v1/openapi.json`. */
import type { ModelCard } from "@ebb/core/churn/model-card";

// ── pipeline ───────────────────────────────────────────────────────────────────────────────────────────────────────

export interface Ledger {
  readonly received: number;
  readonly accepted: number;
  readonly duplicate: number;
  readonly quarantined: number;
  readonly reasons?: Readonly<Record<string, number>>;
}
export interface Upload {
  readonly upload_id: string;
  readonly state: "awaiting_content" | "queued" | "processing" | "done" | "failed";
  readonly source: string;
  readonly filename?: string;
  readonly created_at: string;
  readonly updated_at: string;
  readonly progress?: { readonly rows_read: number; readonly bytes_read: number; readonly bytes_total?: number };
  readonly ledger?: Ledger;
  readonly problem?: { readonly code: string; readonly message: string };
}
export interface Uploads {
  readonly uploads: readonly Upload[];
}
export interface OpenedUpload {
  readonly upload_id: string;
  readonly upload: {
    readonly method: string;
    readonly url: string;
    readonly headers: Readonly<Record<string, string>>;
  };
}
export interface QuarantineList {
  readonly items: readonly {
    readonly receipt_id: string;
    readonly row_number: number;
    readonly code: string;
    readonly field?: string;
    readonly message: string;
    readonly original?: string;
    readonly original_base64?: string;
  }[];
  readonly counts?: Readonly<Record<string, number>>;
  readonly cursor?: string;
}
export interface LedgerLines {
  readonly lines: readonly {
    readonly receipt_id: string;
    readonly channel: string;
    readonly source: string;
    readonly received: number;
    readonly appended: number;
    readonly quarantined: number;
    readonly accepted?: number;
    readonly duplicate?: number;
    readonly received_at: string;
  }[];
}
/** `GET /v1/pipeline`: how the stages stand now. */
export interface Pipeline {
  readonly stages: readonly {
    readonly stage: "score" | "land";
    /** Stream records behind the head. */
    readonly lag_records?: number;
    /** In AWS, which tells no number of records: age of the oldest that waits. */
    readonly lag_ms?: number;
  }[];
  /** Events received by minute, the newest last; minutes without events are there with 0. */
  readonly minutes: readonly { readonly at: string; readonly received: number; readonly quarantined: number }[];
}
export interface Run {
  readonly run_id: string;
  readonly as_of: string;
  readonly state: "running" | "succeeded" | "failed";
  readonly started_at: string;
  readonly ended_at?: string;
  readonly reason?: string;
  readonly steps: readonly {
    readonly name: string;
    readonly state: "running" | "done" | "failed";
    readonly started_at: string;
    readonly ended_at?: string;
    readonly figures?: Readonly<Record<string, number | string>>;
    readonly reason?: string;
  }[];
}
export interface Runs {
  readonly runs: readonly Run[];
}

// ── sales ──────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Sums of one period, or of one group within it. Money in minor units of the reporting currency. */
export interface SalesRow {
  /** First day of the period, `YYYY-MM-DD`. */
  readonly period: string;
  /** The country, product or category, where sales are asked for by one. */
  readonly group?: string;
  readonly orders: number;
  readonly units: number;
  readonly gross_minor: number;
  readonly refunds_minor: number;
  readonly net_minor: number;
  /** Absent where no order counts. */
  readonly average_order_minor?: number;
  /** Customers with any row, a return included. */
  readonly active_customers: number;
  readonly new_customers: number;
  readonly returning_customers: number;
}
export interface AsOf {
  /** Absent before the first run. */
  readonly run_id?: string;
  /** What the figures know, RFC 3339. */
  readonly as_of?: string;
  readonly currency: string;
}
/** `GET /v1/sales?interval=day|week|month|total&by=country|category&from=&to=&country=`; `to` is not part of the period. */
export interface Sales extends AsOf {
  readonly interval: "day" | "week" | "month" | "total";
  readonly rows: readonly SalesRow[];
}
/** `GET /v1/products?sort=net|units|rising|falling&from=&to=&country=&limit=` */
export interface Products extends AsOf {
  readonly products: readonly {
    readonly product_id: string;
    readonly name: string;
    readonly category?: string;
    readonly orders: number;
    readonly units: number;
    readonly net_minor: number;
    /** Robust z-score of the change against the product's own past; absent where the past is too short. */
    readonly change?: number;
  }[];
}

// ── customers ──────────────────────────────────────────────────────────────────────────────────────────────────────

/** `GET /v1/segments` */
export interface Segments extends AsOf {
  readonly segments: readonly {
    readonly segment: string;
    readonly customers: number;
    readonly net_minor: number;
    readonly mean_churn_probability?: number;
    readonly expected_loss_minor?: number;
  }[];
  /** Customers who changed segment since the run before. */
  readonly movements: readonly { readonly from: string; readonly to: string; readonly customers: number }[];
  /** Cells of the grid: recency score by the score of frequency and money. */
  readonly grid: readonly {
    readonly recency: number;
    readonly frequency_monetary: number;
    readonly customers: number;
    readonly net_minor: number;
    readonly segment: string;
  }[];
  readonly clusters: readonly {
    readonly cluster: string;
    readonly customers: number;
    readonly net_minor: number;
    readonly recency_days: number;
    readonly orders: number;
  }[];
}
/** `GET /v1/customers?segment=&sort=churn|value|lastOrder&minChurn=&minValue=&limit=&cursor=` */
export interface CustomerList extends AsOf {
  readonly customers: readonly {
    readonly customer_key: string;
    readonly segment: string;
    readonly orders: number;
    readonly net_minor: number;
    readonly last_order_at?: string;
    readonly churn_probability?: number;
    readonly churn_decile?: number;
    readonly value_if_active_minor?: number;
    /** Probability of leaving × the value of the customer if they stay. */
    readonly expected_loss_minor?: number;
    readonly drivers?: readonly Driver[];
  }[];
  readonly cursor?: string;
}
export interface Driver {
  readonly feature: string;
  readonly log_odds: number;
  /** In words, e.g. "has not ordered for longer than usual". */
  readonly words: string;
}

// ── churn ──────────────────────────────────────────────────────────────────────────────────────────────────────────

/** `GET /v1/churn` */
export interface Churn extends AsOf {
  readonly horizon_days: number;
  readonly customers: number;
  readonly mean_probability: number;
  readonly expected_loss_minor: number;
  /** Twenty bins of probability. */
  readonly distribution: readonly { readonly from: number; readonly to: number; readonly customers: number }[];
  readonly deciles: readonly {
    readonly decile: number;
    readonly customers: number;
    readonly mean_probability: number;
    readonly expected_loss_minor: number;
  }[];
  readonly drivers: readonly { readonly feature: string; readonly words: string; readonly customers: number }[];
  /** What contacting everybody above a threshold would do, for thresholds from 0 to 1. */
  readonly thresholds: readonly {
    readonly threshold: number;
    readonly customers: number;
    readonly expected_saves: number;
    readonly cost_minor: number;
    readonly expected_profit_minor: number;
  }[];
}

/** `GET /v1/customers/{id}` */
export interface Customer {
  readonly customer_key: string;
  readonly currency: string;
  readonly orders: number;
  readonly gross_minor: number;
  readonly refunds_minor: number;
  readonly net_minor: number;
  readonly first_order_at?: string;
  readonly last_order_at?: string;
  readonly recency_days?: number;
  readonly segment: string;
  readonly scores?: { readonly recency: number; readonly frequency: number; readonly monetary: number };
  readonly months: readonly {
    readonly month: string;
    readonly orders: number;
    readonly gross_minor: number;
    readonly refunds_minor: number;
  }[];
  readonly churn?: {
    readonly as_of: string;
    readonly probability: number;
    readonly decile: number;
    readonly horizon_days: number;
    readonly drivers: readonly Driver[];
  };
  readonly value?: { readonly expected_minor: number; readonly probability_active?: number };
}
/** `GET /v1/customers/{id}/timeline`: newest first. */
export interface Timeline {
  /** Where a declared source tells of contacts with support. */
  readonly support?: { readonly contacts: number; readonly last_at?: string };
  readonly entries: readonly {
    readonly at: string;
    readonly kind: "order" | "refund" | "visit" | "post" | "support";
    readonly title: string;
    readonly amount_minor?: number;
    readonly currency?: string;
    readonly details?: readonly string[];
  }[];
  /** RFM and churn by run, oldest first. */
  readonly history: readonly {
    readonly as_of: string;
    readonly segment: string;
    readonly recency?: number;
    readonly frequency?: number;
    readonly monetary?: number;
    readonly churn_probability?: number;
  }[];
}

/** `GET /v1/models/current`: the model in use, with its whole card. */
export interface CurrentModel extends AsOf {
  readonly card: ModelCard;
}

// ── catalogue ──────────────────────────────────────────────────────────────────────────────────────────────────────

export interface CatalogueTable {
  readonly name: string;
  readonly kind: "events" | "view" | "run";
  /** What one row is. */
  readonly grain: string;
  readonly key: readonly string[];
  readonly columns: readonly {
    readonly name: string;
    readonly type: string;
    readonly unit?: string;
    readonly description: string;
  }[];
}
export interface CatalogueSource {
  readonly name: string;
  readonly connection: string;
  readonly maps: string;
  readonly from?: string;
  readonly key: readonly string[];
  readonly watermark?: string;
  readonly schedule: string;
  readonly personal: readonly string[];
  readonly currency?: string;
  readonly loaded_at?: string;
  readonly tables: readonly {
    readonly name: string;
    readonly filled: boolean;
    readonly columns: readonly {
      readonly name: string;
      readonly type?: string;
      readonly field: string;
      readonly key: boolean;
      readonly pseudonym: boolean;
    }[];
  }[];
}
export interface Catalogue {
  readonly sources: readonly CatalogueSource[];
  readonly tables: readonly CatalogueTable[];
}
