/** Loaded before a home: its clock jumps by hours, back and forth, in every thread, a few times a second. */
const real = Date.now.bind(Date);
const RealDate = Date;
const jumps = [0, 5, -7, 26, -30, 2, 0, -1].map((hours) => hours * 3_600_000);
const now = () => real() + jumps[Math.floor(real() / 150) % jumps.length];
globalThis.Date = class extends RealDate {
  constructor(...values) {
    if (values.length === 0) super(now());
    else super(...values);
  }
  static now() {
    return now();
  }
};
