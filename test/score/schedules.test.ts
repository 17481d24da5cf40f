import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { EmbeddedCustomerStore } from "@ebb/ports/embedded/customer-store";
import { runSchedules } from "./schedules.ts";

/** Crashes are thrown, not real, so nothing is asked of the disk: memory saves tens of thousands of syncs. */
const root = existsSync("/dev/shm") ? "/dev/shm" : os.tmpdir();

runSchedules(
  "embedded",
  async () => {
    const folder = await mkdtemp(path.join(root, "ebb-schedules-"));
    const store = new EmbeddedCustomerStore(folder);
    const close = async () => {
      store.close();
      await rm(folder, { recursive: true });
    };
    return { store, deliver: (work) => store.transaction(work), close };
  },
  { schedules: 2_000, seed: 20_261_121 },
);
