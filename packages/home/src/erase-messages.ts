/** What the home and the process of an erasure say to each other. */
import type { Secrets } from "@ebb/ports/embedded/configuration";

export interface EraseStart {
  readonly type: "erase";
  readonly folder: string;
  readonly erasureId: string;
  readonly suppressionSecret: Secrets["suppressionSecret"];
}

export type ToEraseProcess =
  EraseStart | { readonly type: "done"; readonly id: number; readonly failure?: string } | { readonly type: "stop" };

export type FromEraseProcess =
  /** Bring all that the log holds into the lake. */
  | { readonly type: "flush"; readonly id: number }
  /** Keep the front door from writing, or let it go on. */
  | { readonly type: "hold"; readonly id: number }
  | { readonly type: "release"; readonly id: number }
  | { readonly type: "ended"; readonly failure?: string };
