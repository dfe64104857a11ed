// What is left of the backward pass: products of the gradient of z with dt_weight and dt, and sums in a fixed order.
#ifndef VMAMBA_CUDA_GRADIENTS_CUH
#define VMAMBA_CUDA_GRADIENTS_CUH

#include "problem.cuh"

namespace ss2d {

constexpr int kSquare = 32, kSquareThreads = 256,
              kEach = kSquare * kSquare / kSquareThreads;  // a block's outputs; a thread's

// A product (32 rows, 32 columns) of a block: threads 8 to a row, each with four columns side by side.
struct Square {
  float rows[kSquare][kSquare + 1], columns[kSquare][kSquare + 1];  // (row, inner), (inner, column)

  __device__ __forceinline__ void add(float (&sums)[kEach]) const {
    const int row = threadIdx.x / 8, column = threadIdx.x % 8 * kEach;
    for (int i = 0; i < kSquare; ++i)
      for (int j = 0; j < kEach; ++j) sums[j] = fmaf(rows[row][i], columns[i][column + j], sums[j]);
  }
};

// The gradient of dt: of 32 pixels and 32 of R. Blocks: (pixels, R, routes), pixels fastest.
__global__ void __launch_bounds__(kSquareThreads) dt_kernel(const Backward g) {
  extern __shared__ float4 ss2d_shared[];
  Square& square = *reinterpret_cast<Square*>(ss2d_shared);
  const Problem& p = g.scan;
  const int64_t pixels = p.images * p.length, across = (pixels + kSquare - 1) / kSquare, block = blockIdx.x;
  const int r_tiles = (p.rank + kSquare - 1) / kSquare, k = static_cast<int>(block / across / r_tiles);
  const int64_t first = block % across * kSquare;
  const int r_first = static_cast<int>(block / across % r_tiles) * kSquare;
  const int thread = static_cast<int>(threadIdx.x);
  float sums[kEach] = {};
  for (int d_first = 0; d_first < p.channels; d_first += kSquare) {
    __syncthreads();
    for (int i = thread; i < kSquare * kSquare; i += kSquareThreads) {
      const int slow = i / kSquare, fast = i % kSquare;
      const int64_t pixel = first + slow;
      square.rows[slow][fast] = pixel < pixels && d_first + fast < p.channels
                                    ? g.gz[(k * pixels + pixel) * p.channels + d_first + fast]
                                    : 0.0f;
      square.columns[slow][fast] = d_first + slow < p.channels && r_first + fast < p.rank
                                       ? p.dt_weight[(times(k, p.channels) + d_first + slow) * p.rank + r_first + fast]
                                       : 0.0f;
    }
    __syncthreads();
    square.add(sums);
  }
  const int64_t item = first + thread / 8, image = item / p.length;
  if (item >= pixels) return;
  for (int j = 0; j < kEach; ++j) {
    const int r = r_first + thread % 8 * kEach + j;
    char* row = static_cast<char*>(g.gx.data) + image * g.gx.batch +
                times(static_cast<int>(item - image * p.length), g.gx.pixel);
    if (r < p.rank) *reinterpret_cast<float*>(row + (times(k, p.rank + 2 * p.states) + r) * g.gx.channel) = sums[j];
  }
}

// The gradients of B and C: the tiles' shares added. A thread has one value of a pixel.
__global__ void __launch_bounds__(kSquareThreads) bc_kernel(const Backward g) {
  const Problem& p = g.scan;
  const int64_t pixels = p.images * p.length, values = 2 * p.states, count = p.routes * pixels * values;
  const int64_t item = blockIdx.x * static_cast<int64_t>(kSquareThreads) + threadIdx.x;
  if (item >= count) return;
  float sum = 0.0f;
  for (int tile = 0; tile < p.tiles; ++tile) sum += g.bc[tile * count + item];
  const int64_t value = item % values, spot = item / values, k = spot / pixels, pixel = spot % pixels,
                image = pixel / p.length;
  char* row = static_cast<char*>(g.gx.data) + image * g.gx.batch +
              times(static_cast<int>(pixel - image * p.length), g.gx.pixel);
  *reinterpret_cast<float*>(row + (k * (p.rank + values) + p.rank + value) * g.gx.channel) = sum;
}

// A slice's share of the gradients of 32 channels of dt_weight and, in column R, of dt_bias. Blocks: (slices, R, D,
// routes).
__global__ void __launch_bounds__(kSquareThreads) weight_kernel(const Backward g) {
  extern __shared__ float4 ss2d_shared[];
  Square& square = *reinterpret_cast<Square*>(ss2d_shared);
  const Problem& p = g.scan;
  const int r_tiles = (p.rank + kSquare) / kSquare, d_tiles = (p.channels + kSquare - 1) / kSquare;
  const int64_t block = blockIdx.x, slice = block % g.slices, rest = block / g.slices, pixels = p.images * p.length;
  const int r_first = static_cast<int>(rest % r_tiles) * kSquare, k = static_cast<int>(rest / r_tiles / d_tiles);
  const int d_first = static_cast<int>(rest / r_tiles % d_tiles) * kSquare, thread = static_cast<int>(threadIdx.x);
  const int64_t begin = slice * g.slice_pixels, end = begin + g.slice_pixels < pixels ? begin + g.slice_pixels : pixels;
  float sums[kEach] = {};
  for (int64_t first = begin; first < end; first += kSquare) {
    __syncthreads();
    for (int i = thread; i < kSquare * kSquare; i += kSquareThreads) {
      const int slow = i / kSquare, fast = i % kSquare, r = r_first + fast;
      const int64_t item = first + slow, image = item / p.length;
      const bool inside = item < end;
      square.rows[fast][slow] =
          inside && d_first + fast < p.channels ? g.gz[(k * pixels + item) * p.channels + d_first + fast] : 0.0f;
      const char* row = static_cast<const char*>(p.x.data) + image * p.x.batch +
                        times(static_cast<int>(item - image * p.length), p.x.pixel);
      square.columns[slow][fast] =
          !inside || r > p.rank ? 0.0f
          : r == p.rank ? 1.0f
                        : *reinterpret_cast<const float*>(row + (times(k, p.rank + 2 * p.states) + r) * p.x.channel);
    }
    __syncthreads();
    square.add(sums);
  }
  const int d = d_first + thread / 8;
  if (d >= p.channels) return;
  for (int j = 0; j < kEach; ++j) {
    const int r = r_first + thread % 8 * kEach + j;
    if (r <= p.rank) g.slice_sums[((slice * p.routes + k) * p.channels + d) * (p.rank + 1) + r] = sums[j];
  }
}

// The gradients of the four weights: the slices' and the images' shares added. A thread has one value.
__global__ void __launch_bounds__(kSquareThreads) sum_kernel(const Backward g) {
  const Problem& p = g.scan;
  const int64_t rows = times(p.routes, p.channels), each = p.rank + p.states + 2, from_slices = p.rank + 1;
  const int64_t item = blockIdx.x * static_cast<int64_t>(kSquareThreads) + threadIdx.x, row = item / each,
                j = item % each;
  if (row >= rows) return;
  float sum = 0.0f;
  if (j < from_slices) {
    for (int slice = 0; slice < g.slices; ++slice) sum += g.slice_sums[(slice * rows + row) * from_slices + j];
    *(j < p.rank ? g.dt_weight + row * p.rank + j : g.dt_bias + row) = sum;
    return;
  }
  const int64_t n = j - from_slices, k = row / p.channels, d = row % p.channels;
  for (int64_t image = 0; image < p.images; ++image)
    sum += g.image_sums[((image * p.routes + k) * (p.states + 1) + n) * p.channels + d];
  *(n < p.states ? g.A + row * p.states + n : g.D + row) = sum;
}

}  // namespace ss2d

#endif
