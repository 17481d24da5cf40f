import { mkdtemp, readFile, readdir, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { type OpenErasures, erasuresContract } from "../contracts/erasures.ts";
import { EmbeddedErasures } from "./erasures.ts";

erasuresContract("embedded", async () => {
  const folder = await mkdtemp(path.join(os.tmpdir(), "ebb-erasures-"));
  const open = (): OpenErasures => {
    const erasures = new EmbeddedErasures(folder);
    return {
      erasures,
      stored: async () => {
        const files = await readdir(folder);
        return (await Promise.all(files.map((name) => readFile(path.join(folder, name), "latin1")))).join("");
      },
      reopen: async () => {
        erasures.close();
        return open();
      },
      close: async () => {
        erasures.close();
        await rm(folder, { recursive: true });
      },
    };
  };
  return open();
});
