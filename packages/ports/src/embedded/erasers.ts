/** Every place of one machine that holds people, in the order in which they are emptied. */
import path from "node:path";
import type { Eraser } from "../erasure-ports.ts";
import {
  customersEraser,
  freeSpaceEraser,
  orderBookEraser,
  profilesEraser,
  runsEraser,
  scoresEraser,
} from "./erase-databases.ts";
import { type LakeEraserParts, batchTablesEraser, exportsEraser, rawEventsEraser } from "./erase-lake.ts";
import { logEraser, quarantineEraser } from "./erase-log.ts";
import { sourceTablesEraser } from "./erase-sources.ts";
import { martsEraser } from "./erase-marts.ts";
import { deadLettersEraser, documentsEraser, originalsEraser } from "./erase-objects.ts";
import { DuckDbJobRunner } from "./job-runner.ts";

export interface EmbeddedEraserParts extends LakeEraserParts {
  /** Runs the work while the front door writes nothing. */
  readonly exclusively: (work: () => void) => Promise<void>;
}

export const embeddedErasers = (parts: EmbeddedEraserParts): readonly Eraser[] => {
  const { folder, now } = parts;
  return [
    originalsEraser(folder), // found by the lake and the quarantine, so before those
    quarantineEraser(folder),
    deadLettersEraser(folder),
    logEraser(folder),
    customersEraser(folder),
    scoresEraser(folder),
    orderBookEraser(folder),
    rawEventsEraser(parts),
    sourceTablesEraser(parts),
    batchTablesEraser(parts),
    martsEraser({
      folder,
      now,
      withRunner: async (work) => {
        const lake = path.join(folder, "lake");
        const runner = await DuckDbJobRunner.open({ folder: lake, objectsFolder: path.join(folder, "objects"), now });
        try {
          return await work(runner);
        } finally {
          await runner.close();
        }
      },
    }),
    exportsEraser(folder),
    documentsEraser(folder),
    runsEraser(folder),
    profilesEraser(folder),
    freeSpaceEraser(folder, parts.exclusively),
  ];
};
