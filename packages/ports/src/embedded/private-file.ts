import {
  chmodSync,
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
  writeSync,
} from "node:fs";
import path from "node:path";

/** The JSON of a file, or `undefined` where there is none. @throws Error that names a file that is not JSON */
export const readJsonFile = (file: string): unknown => {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`${file} is not JSON`, { cause: error });
  }
};

/** Writes a JSON file that its owner alone may read: whole or not at all, durable when it returns. */
export const writePrivateJson = (file: string, value: unknown): void => {
  const folder = path.dirname(file);
  mkdirSync(folder, { recursive: true });
  const temporary = `${file}.writing`;
  const handle = openSync(temporary, "w", 0o600);
  try {
    writeSync(handle, `${JSON.stringify(value, null, 2)}\n`);
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
  renameSync(temporary, file);
  const folderHandle = openSync(folder, "r");
  try {
    fsyncSync(folderHandle);
  } finally {
    closeSync(folderHandle);
  }
};

/** Files of a home's folder that hold secrets, in the clear or hashed. */
const privateFiles = ["secrets.json", "keys.json", "key-use.json", "first-keys.json", "settings.json", "home.json"];

/**
 * Takes from others what they may do with the files that hold secrets, and names those files: what could be read may have
 * been. Permissions mean nothing on Windows, where nothing is done.
 * @throws Error that names a file whose permissions are not ours to change
 */
export const tightenPrivateFiles = (folder: string): string[] => {
  if (process.platform === "win32") return [];
  return privateFiles
    .map((name) => path.join(folder, name))
    .filter((file) => {
      const mode = statSync(file, { throwIfNoEntry: false })?.mode ?? 0;
      if ((mode & 0o077) === 0) return false;
      try {
        chmodSync(file, 0o600);
      } catch (error) {
        throw new Error(`${file} holds secrets and is open to others (mode ${(mode & 0o777).toString(8)}).`, {
          cause: error,
        });
      }
      return true;
    });
};
