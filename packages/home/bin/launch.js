// How the home's process is started, for every way of starting it. Plain JavaScript: any Node reads it.

/** The main thread's young generation, like those of the workers in src/stages.ts: V8 would let it grow to 48 MB. */
export const nodeFlags = ["--disable-warning=ExperimentalWarning", "--max-semi-space-size=4"];

/**
 * glibc keeps a heap for each of the many threads of SQLite and DuckDB, and once a large block was freed it takes the
 * next large ones from those heaps too, which then never shrink. Two heaps, and large blocks apart: 850 → 465 MB at the
 * peak of an upload, together with the bounds of the JavaScript heaps and of the spool. What the caller sets goes first.
 */
export const environment = {
  MALLOC_ARENA_MAX: "2",
  MALLOC_MMAP_THRESHOLD_: "131072",
  MALLOC_TRIM_THRESHOLD_: "131072",
  ...process.env,
};
