/**
 * Makes the site: one page, one script, one style sheet, the latter two named by their content so that they may be
 * cached for ever. Nothing is fetched from anywhere but the site's own host and the API.
 */
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { gzipSync } from "node:zlib";
import { build, stop } from "esbuild";

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

/**
 * What a page may load. uPlot and Preact set styles on elements through the DOM, which no policy forbids; a `style`
 * attribute in markup stays forbidden. `frame-ancestors` is a header's to set: whoever serves the site sends it.
 * @param api origin of the API; empty where the site's own host answers it
 */
export const contentSecurityPolicy = (api = ""): string =>
  [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data: blob:",
    `connect-src 'self'${api === "" ? "" : ` ${new URL(api).origin}`}`,
    "form-action 'none'",
    "base-uri 'none'",
  ].join("; ");

/**
 * The files of the site, `index.html` last.
 * @param api origin of the API; empty where the site's own host answers it
 * @throws Error when a source does not compile
 */
export const buildSite = async (api = ""): Promise<SiteFile[]> => {
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
    .replace("{{policy}}", contentSecurityPolicy(api))
    .replace("{{api}}", api)
    .replace("{{style}}", named(".css"))
    .replace("{{script}}", named(".js"));
  return [...assets, fileOf("index.html", Buffer.from(page))];
};

const fileOf = (name: string, content: Uint8Array): SiteFile => ({
  path: name,
  contentType: contentTypes[path.extname(name)] ?? "application/octet-stream",
  content,
});

/** `node build.ts [FOLDER]`, with the API's origin in EBB_API_URL: what a deployment runs. The folder is made anew. */
if (import.meta.main) {
  const folder = path.resolve(process.argv[2] ?? path.join(import.meta.dirname, "dist"));
  const files = await buildSite(process.env["EBB_API_URL"] ?? "");
  await rm(folder, { recursive: true, force: true });
  for (const file of files) {
    await mkdir(path.dirname(path.join(folder, file.path)), { recursive: true });
    await writeFile(path.join(folder, file.path), file.content);
    console.log(`${file.path}  ${file.content.length} bytes, ${gzipSync(file.content).length} compressed`);
  }
}
