// Installs SST's platform (types and component sources) where it is missing, so that `tsc -p stacks` has something to read.
import path from "node:path";
import { ensurePlatform } from "./platform.ts";

await ensurePlatform(path.resolve(import.meta.dirname, "../.."));
