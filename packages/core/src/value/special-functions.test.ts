import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { digamma, hypergeometric2F1, logGamma } from "./special-functions.ts";

const near = (actual: number, expected: number, relative = 1e-13): void =>
  assert.ok(Math.abs(actual - expected) <= relative * Math.max(1, Math.abs(expected)), `${actual} is not ${expected}`);

describe("ln Γ", () => {
  it("is the logarithm of a factorial at whole numbers", () => {
    let logFactorial = 0;
    for (let n = 1; n <= 150; n++) {
      near(logGamma(n), logFactorial);
      logFactorial += Math.log(n);
    }
  });

  it("is ln √π at a half, and obeys Legendre's duplication from 1e-4 to 1e4", () => {
    near(logGamma(0.5), Math.log(Math.sqrt(Math.PI)));
    for (let x = 1e-4; x < 1e4; x *= 1.7) {
      const doubled = (2 * x - 1) * Math.LN2 - Math.log(Math.sqrt(Math.PI)) + logGamma(x) + logGamma(x + 0.5);
      near(logGamma(2 * x), doubled, 1e-12);
    }
  });

  it("is no number at zero and below", () => {
    assert.ok(Number.isNaN(logGamma(0)) && Number.isNaN(logGamma(-1.5)) && Number.isNaN(logGamma(NaN)));
  });
});

describe("ψ", () => {
  it("has Gauss's values at 1, 1/2 and 1/4", () => {
    const euler = 0.577_215_664_901_532_9;
    near(digamma(1), -euler);
    near(digamma(0.5), -euler - 2 * Math.LN2);
    near(digamma(0.25), -euler - Math.PI / 2 - 3 * Math.LN2);
  });

  it("is the slope of ln Γ", () => {
    for (const x of [0.01, 0.3, 1, 2.5, 9.99, 10.01, 400]) {
      const step = x * 1e-5;
      near(digamma(x), (logGamma(x + step) - logGamma(x - step)) / (2 * step), 1e-8);
    }
  });
});

describe("₂F₁", () => {
  it("has the closed forms of the handbooks", () => {
    for (const z of [0, 0.1, 0.5, 0.9, 0.99]) {
      near(hypergeometric2F1(1, 1, 2, z), z === 0 ? 1 : -Math.log(1 - z) / z, 1e-12);
      near(hypergeometric2F1(2.5, 3, 3, z), (1 - z) ** -2.5, 1e-11);
      near(hypergeometric2F1(0.5, 1, 1.5, z * z), z === 0 ? 1 : Math.atanh(z) / z, 1e-12);
    }
  });

  it("ends by itself where an upper argument is a negative whole number", () => {
    near(hypergeometric2F1(-2, 3, 4, 0.5), 1 - 2 * (3 / 4) * 0.5 + (3 * 4) / (4 * 5) / 4);
  });

  it("refuses arguments where the series does not converge", () => {
    assert.throws(() => hypergeometric2F1(1, 1, 2, 1), RangeError);
    assert.throws(() => hypergeometric2F1(1, 1, 2, NaN), RangeError);
  });
});
