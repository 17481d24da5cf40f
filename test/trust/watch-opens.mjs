// Preloaded into a home's processes and threads: says on standard error when a database's file, or the shared memory
// beside it, is opened by other means than SQLite. Closing it would give up every lock that the process holds on it.
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";

const isGuarded = (file) => /\.db(?:-shm)?$/.test(String(file));
const watched = (owner, name, files) => {
  const original = owner[name];
  owner[name] = function (...args) {
    for (const file of args.slice(0, files))
      if (isGuarded(file)) process.stderr.write(`OPENED ${name} ${String(file)}\n${new Error().stack}\n`);
    return original.apply(this, args);
  };
};
for (const name of ["open", "openSync", "readFile", "readFileSync", "createReadStream", "writeFile", "writeFileSync"])
  watched(fs, name, 1);
for (const name of ["copyFile", "copyFileSync", "cp", "cpSync", "truncate", "truncateSync", "appendFileSync"])
  watched(fs, name, name.startsWith("c") ? 2 : 1);
for (const name of ["open", "readFile", "writeFile", "truncate"]) watched(fs.promises, name, 1);
for (const name of ["copyFile", "cp"]) watched(fs.promises, name, 2);
syncBuiltinESMExports();
process.stderr.write(`WATCHED ${process.pid}\n`);
