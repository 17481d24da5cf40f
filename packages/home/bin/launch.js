// How the home's process is started, for every way of starting it. Plain JavaScript: any Node reads it.

/**
 * The main thread's young generation, like those of the workers in src/stages.ts: V8 would let it grow to 48 MB. At 8 MB
 * from the start a request dies before it is copied; with 4, reached from 1, a tenth more CPU went into an order.
 */
export const nodeFlags = [
  "--disable-warning=ExperimentalWarning",
  "--min-semi-space-size=8",
  "--max-semi-space-size=8",
];

/**
 * glibc keeps a heap for each of the many threads of SQLite and DuckDB, and once a large block was freed it takes the
 * next large ones from those heaps too, which then never shrink. Two heaps, and blocks from 4 MB on apart: 850 → 476 MB
 * at the peak of an upload of 48 MB, together with the bounds of the JavaScript heaps and of the spool. From 128 kB on
 * apart cost a quarter of the throughput: every request's body is larger. What the caller sets goes first.
 */
export const environment = {
  MALLOC_ARENA_MAX: "2",
  MALLOC_MMAP_THRESHOLD_: String(4 * 1024 * 1024),
  MALLOC_TRIM_THRESHOLD_: String(4 * 1024 * 1024),
  ...process.env,
};
