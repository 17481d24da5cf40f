/**
 * Makes the site: one page, one script, one style sheet, the latter two named by their content so that they may be
 * cached for ever. Nothing is fetched from anywhere but the site's own host and the API.
 */
import { mkdir, readFile, readdir, rename, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { gzipSync } from "node:zlib";
import { build, stop } from "esbuild";
import { contentSecurityPolicy } from "./headers.ts";

export interface SiteFile {
  /** Relative, with forward slashes. */
  readonly path: string;
  readonly contentType: string;
  readonly content: Uint8Array;
}

const contentTypes: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
};

/** Addresses that the page calls besides its own host. */
export interface Elsewhere {
  /** The API's; empty where the site's own host answers it. */
  readonly api?: string;
  /** Where files are sent to: the bucket of the uploads in AWS; empty where the API takes them itself. */
  readonly uploads?: string;
}

/**
 * The files of the site, `index.html` last.
 * @throws Error when a source does not compile
 */
export const buildSite = async ({ api = "", uploads = "" }: Elsewhere = {}): Promise<SiteFile[]> => {
  const source = path.join(import.meta.dirname, "src");
  const { outputFiles } = await build({
    entryPoints: [
      { in: path.join(source, "main.tsx"), out: "app" },
      { in: path.join(source, "style.css"), out: "app" },
    ],
    outdir: import.meta.dirname,
    entryNames: "[name]-[hash]",
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2022",
    jsx: "automatic",
    jsxImportSource: "preact",
    legalComments: "none",
    write: false,
    absWorkingDir: import.meta.dirname,
    tsconfig: path.join(import.meta.dirname, "tsconfig.json"),
  });
  await stop(); // its process would stay as long as ours
  const assets = outputFiles.map((file) => fileOf(`assets/${path.basename(file.path)}`, file.contents));
  const named = (extension: string): string => {
    const file = assets.find((asset) => asset.path.endsWith(extension));
    if (file === undefined) throw new Error(`the build made no ${extension} file`);
    return file.path;
  };
  const page = (await readFile(path.join(source, "index.html"), "utf8"))
    .replace("{{policy}}", contentSecurityPolicy([api, uploads].filter((address) => address !== "")))
    .replace("{{api}}", api.replace(/\/$/, ""))
    .replace("{{style}}", named(".css"))
    .replace("{{script}}", named(".js"));
  return [...assets, fileOf("index.html", Buffer.from(page))];
};

const fileOf = (name: string, content: Uint8Array): SiteFile => ({
  path: name,
  contentType: contentTypes[path.extname(name)] ?? "application/octet-stream",
  content,
});

/**
 * `node build.ts [FOLDER]`, with what lies elsewhere in EBB_API_URL and EBB_UPLOADS_URL: what a deployment runs. Each
 * file appears whole, the page last, and what is not of this site goes: somebody may be reading the folder.
 */
if (import.meta.main) {
  const folder = path.resolve(process.argv[2] ?? path.join(import.meta.dirname, "dist"));
  const files = await buildSite({
    api: process.env["EBB_API_URL"] ?? "",
    uploads: process.env["EBB_UPLOADS_URL"] ?? "",
  });
  for (const file of files) {
    const target = path.join(folder, file.path);
    await mkdir(path.dirname(target), { recursive: true });
    await writeFile(`${target}.${process.pid}`, file.content);
    await rename(`${target}.${process.pid}`, target);
    console.log(`${file.path}  ${file.content.length} bytes, ${gzipSync(file.content).length} compressed`);
  }
  const known = new Set(files.map((file) => file.path));
  for (const name of await readdir(path.join(folder, "assets")))
    if (!known.has(`assets/${name}`) && !/\.\d+$/.test(name))
      await rm(path.join(folder, "assets", name), { force: true });
}
