// What every kernel is told, and where the pixels of a route lie. Filled in by plan.h.
#ifndef VMAMBA_CUDA_PROBLEM_CUH
#define VMAMBA_CUDA_PROBLEM_CUH

#include <stdint.h>

#include "intrinsics.cuh"

namespace ss2d {

constexpr int kWarp = 32, kQuads = 8;  // a warp: 8 quads, each 2 channels; the 4 lanes of a quad share the tokens
constexpr int kChannels = 16;          // of a warp
constexpr int kForwardSteps = 8;       // tokens of a lane, side by side on the route: a warp has 32
constexpr int kBackwardSteps = 4;      // fewer: the backward pass keeps more of each
constexpr int kRankStep = 8;           // values of dt taken together
constexpr int kMaxWarps = 16, kAnyWarps = 8;
constexpr unsigned kAllLanes = 0xFFFFFFFFu;
constexpr int kMaxRoutes = 1024;  // 2 bits each in the kernel's argument
static_assert(kChannels == 2 * kQuads && kWarp == 4 * kQuads, "a lane owns two channels");

// n / divisor for n < 2^31: multiply high, add, shift (Granlund and Montgomery 1994).
struct Divider {
  uint32_t multiplier, shift;
};

// Strides in bytes. The inner two fit 32 bits, so that an address is one multiplication.
struct Map {
  void* data;
  int64_t batch;
  int32_t pixel, channel;
};

__device__ __forceinline__ int64_t times(int a, int b) { return static_cast<int64_t>(a) * b; }

struct Problem {
  Map u, x, y;
  Map strip;            // float32 sums over the routes: y itself, or the workspace
  int64_t strip_route;  // bytes from one route's strip to the next where each has its own
  const float *dt_weight, *dt_bias, *A, *D;
  int64_t images;
  int32_t height, width, length, channels, states, rank, routes, tiles, pitch;
  int32_t warps, groups;  // of a block: along the tokens, along the channels
  int32_t strip_row;      // floats of a pixel in a strip in shared memory
  int32_t split;          // whether a block does one route only, and merge_kernel adds them
  int32_t y_dtype, rank_steps;
  // Bytes from the start of the block's shared memory.
  int32_t stage_at, stage_bytes, share_at, carry_at, weights_at, strip_at;
  float dt_scale;           // of x_dbl
  float dt_power, dt_rest;  // dt_scale as a power of two, which float16 carries exactly, and what is left
  float drive_scale;        // ln 2 and the scales of B and u
  float out_scale, skip_scale, y_inverse;  // of C; of u; 1 / y_scale
  Divider by_height, by_width, by_length, by_pairs;
  uint32_t route_bits[kMaxRoutes / 16];
};

// What the backward kernels are told besides: gradients in and out, and what they leave one another in the workspace.
struct Backward {
  Problem scan;
  Map gy, gu, gx;
  int32_t sums_at, steps;  // in shared memory; of a block along a route
  int32_t slices;          // of all pixels, for the gradients of the weights
  int64_t slice_pixels;
  float2* starts;     // (images, tiles, steps, N, quads): the states with which a step starts, of one route at a time
  float* gz;          // (K, images, L, D): gradient of z, in the pixels' order
  float* bc;          // (tiles, K, images, L, 2N): of B and C, one tile's share
  float* image_sums;  // (images, K, N + 1, D): of A, then of D, one image's share
  float* slice_sums;  // (slices, K, D, R + 1): of dt_weight, then of dt_bias, one slice's share
  float *dt_weight, *dt_bias, *A, *D;
};
static_assert(sizeof(Backward) <= 4096, "a kernel's arguments");
static_assert(sizeof(Problem) <= 4096, "a kernel's arguments");

__device__ __forceinline__ int divide(int n, Divider d) {
  return static_cast<int>((__umulhi(static_cast<uint32_t>(n), d.multiplier) + static_cast<uint32_t>(n)) >> d.shift);
}

__device__ __forceinline__ int route_of(const Problem& p, int k) { return p.route_bits[k / 16] >> (2 * (k % 16)) & 3; }

// The pixel of a step, row major, and its place in a strip with `pitch` pixels a row.
__device__ __forceinline__ int2 spot_of(const Problem& p, int route, int step) {
  const int s = route >= 2 ? p.length - 1 - step : step;
  const bool columns = route & 1;
  const int line = divide(s, columns ? p.by_height : p.by_width), place = s - line * (columns ? p.height : p.width);
  const int row = columns ? place : line, column = columns ? line : place;
  return make_int2(row * p.width + column, row * p.pitch + column);
}

// Who a thread is. `warp` counts along the tokens, `group` along the channels.
struct Place {
  int lane, quad, part, warp, group,
      channel;       // part: which of the quad's four runs of tokens; channel: the first of two
  int image, route;  // route: the only one, where a block does one
  bool inside;       // whether the warp has any channel; alike in all lanes

  __device__ __forceinline__ explicit Place(const Problem& p) {
    lane = static_cast<int>(threadIdx.x) % kWarp;
    quad = lane / 4;
    part = lane % 4;
    const int index =
        __shfl_sync(kAllLanes, static_cast<int>(threadIdx.x) / kWarp, 0);  // the compiler sees it is uniform
    group = index / p.warps;
    warp = index - group * p.warps;
    const unsigned block = blockIdx.x, share = block / p.tiles;
    const int tile = static_cast<int>(block - share * p.tiles);
    image = static_cast<int>(p.split ? share / p.routes : share);
    route = p.split ? static_cast<int>(share) - image * p.routes : 0;
    const int first = (tile * p.groups + group) * kChannels;
    inside = first < p.channels;
    channel = first + 2 * quad;
  }
};

// Two channels of one image's map. Side by side (kPair), or each at its own stride.
template <typename T, bool kPair>
struct Cursor {
  char *first, *second;
  int pixel_stride;

  __device__ __forceinline__ Cursor() {}
  __device__ __forceinline__ Cursor(const Map& map, int64_t offset, const int (&channel)[2])
      : first(whole(static_cast<char*>(map.data) + offset + times(channel[0], map.channel))),
        second(kPair ? nullptr : whole(static_cast<char*>(map.data) + offset + times(channel[1], map.channel))),
        pixel_stride(map.pixel) {}

  __device__ __forceinline__ T* at(int pixel) const { return reinterpret_cast<T*>(first + times(pixel, pixel_stride)); }
  __device__ __forceinline__ T* next(int pixel) const {
    return reinterpret_cast<T*>(second + times(pixel, pixel_stride));
  }
};

}  // namespace ss2d

#endif
