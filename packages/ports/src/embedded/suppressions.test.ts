import { mkdtemp, readFile, readdir, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { type OpenSuppressions, SUPPRESSION_SECRET, suppressionsContract } from "../contracts/suppressions.ts";
import { EmbeddedSuppressions } from "./suppressions.ts";

suppressionsContract("embedded", async () => {
  const folder = await mkdtemp(path.join(os.tmpdir(), "ebb-suppressions-"));
  const open = (): OpenSuppressions => {
    const suppressions = new EmbeddedSuppressions(folder, SUPPRESSION_SECRET);
    const elsewhere = new EmbeddedSuppressions(folder, SUPPRESSION_SECRET);
    const close = (): void => {
      elsewhere.close();
      suppressions.close();
    };
    return {
      suppressions,
      elsewhere,
      stored: async () => {
        const files = await readdir(folder);
        return (await Promise.all(files.map((name) => readFile(path.join(folder, name), "latin1")))).join("");
      },
      reopen: async () => {
        close();
        return open();
      },
      close: async () => {
        close();
        await rm(folder, { recursive: true });
      },
    };
  };
  return open();
});
