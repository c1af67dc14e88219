/** Dapr's buckets of sizes, in bytes: 1 KiB to 4 GiB. */
export const SIZE_BUCKETS_BYTES: readonly number[] = [10, 11, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30, 32].map(
  (exponent) => 2 ** exponent,
);
