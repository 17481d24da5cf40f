/** Symmetric positive definite systems of the size of a feature list, as row-major p × p arrays. */

export interface Cholesky {
  /** Lower triangle of the factor of the matrix scaled to a unit diagonal. */
  readonly factor: Float64Array;
  /** 1 / √ of the matrix's diagonal. */
  readonly scale: Float64Array;
  readonly size: number;
}

/**
 * Factor of a symmetric positive definite matrix after scaling its diagonal to one, so that features in pence and in
 * years share a tolerance. Where a pivot falls below `tolerance`, the column is (nearly) a combination of those before
 * it: its index is returned instead.
 */
export const cholesky = (
  matrix: Float64Array,
  size: number,
  tolerance: number,
): Cholesky | { readonly dependent: number } => {
  const scale = new Float64Array(size);
  for (let i = 0; i < size; i++) {
    const diagonal = matrix[i * size + i]!;
    if (!(diagonal > 0) || !Number.isFinite(diagonal)) return { dependent: i };
    scale[i] = 1 / Math.sqrt(diagonal);
  }
  const factor = new Float64Array(size * size);
  for (let i = 0; i < size; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = matrix[i * size + j]! * scale[i]! * scale[j]!;
      for (let k = 0; k < j; k++) sum -= factor[i * size + k]! * factor[j * size + k]!;
      if (i !== j) factor[i * size + j] = sum / factor[j * size + j]!;
      else if (sum > tolerance) factor[i * size + i] = Math.sqrt(sum);
      else return { dependent: i };
    }
  }
  return { factor, scale, size };
};

/** The solution x of A·x = b. */
export const solve = ({ factor, scale, size }: Cholesky, b: Float64Array): Float64Array => {
  const x = new Float64Array(size);
  for (let i = 0; i < size; i++) {
    let sum = b[i]! * scale[i]!;
    for (let k = 0; k < i; k++) sum -= factor[i * size + k]! * x[k]!;
    x[i] = sum / factor[i * size + i]!;
  }
  for (let i = size - 1; i >= 0; i--) {
    let sum = x[i]!;
    for (let k = i + 1; k < size; k++) sum -= factor[k * size + i]! * x[k]!;
    x[i] = sum / factor[i * size + i]!;
  }
  for (let i = 0; i < size; i++) x[i]! *= scale[i]!;
  return x;
};

/** The inverse, row-major. */
export const inverse = (decomposition: Cholesky): Float64Array => {
  const { size } = decomposition;
  const result = new Float64Array(size * size);
  const unit = new Float64Array(size);
  for (let column = 0; column < size; column++) {
    unit.fill(0);
    unit[column] = 1;
    const x = solve(decomposition, unit);
    for (let row = 0; row < size; row++) result[row * size + column] = x[row]!;
  }
  return result;
};
