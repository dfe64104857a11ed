// The weights in the order in which the kernel reads them, and the gradients of all slots back again.
#ifndef VMAMBA_CPU_PACK_H
#define VMAMBA_CPU_PACK_H

#include "span.h"

namespace {

// From kLanes rows of `size` values, `count` of which exist, to rows of lanes.
inline void take_rows(const float* from, int64_t size, float* to, int64_t count) {
  int64_t r = 0;
  for (; r + kLanes <= size; r += kLanes) {
    Vec v[kLanes];
    for (int j = 0; j < kLanes; ++j) v[j] = j < count ? load(from + j * size + r) : Vec{};
    transpose(v);
    for (int j = 0; j < kLanes; ++j) store(to + (r + j) * kLanes, v[j]);
  }
  for (; r < size; ++r)
    for (int64_t j = 0; j < kLanes; ++j) to[r * kLanes + j] = j < count ? from[j * size + r] : 0.0f;
}

// From rows of lanes to kLanes rows of `size` values, `count` of which exist.
inline void put_rows(const float* from, int64_t size, float* to, int64_t count) {
  int64_t r = 0;
  for (; r + kLanes <= size; r += kLanes) {
    Vec v[kLanes];
    for (int j = 0; j < kLanes; ++j) v[j] = load(from + (r + j) * kLanes);
    transpose(v);
    for (int j = 0; j < kLanes; ++j)
      if (j < count) store(to + j * size + r, v[j]);
  }
  for (; r < size; ++r)
    for (int64_t j = 0; j < count; ++j) to[j * size + r] = from[r * kLanes + j];
}

// See Layout; lanes beyond D hold 0. A is multiplied by log2(e) for exp2. What passes straight through is added once,
// with the first route, so its D row holds the sum of all.
void pack(const ss2d_params& p, float* packed) {
  const ss2d::Layout layout = layout_of(p);
  for (int64_t k = 0; k < layout.routes; ++k) {
    for (int64_t block = 0; block < layout.blocks; ++block) {
      const int64_t row = k * p.d_inner + block * kLanes, left = p.d_inner - block * kLanes;
      const int64_t count = left < kLanes ? left : kLanes;
      float* to = packed + (k * layout.blocks + block) * layout.block_size();
      float *a = to + layout.a_row() * kLanes, *straight = to + layout.d_row() * kLanes;
      take_rows(p.dt_weight + row * layout.rank, layout.rank, to, count);
      take_rows(p.dt_bias + row, 1, to + layout.bias_row() * kLanes, count);
      take_rows(p.A + row * layout.states, layout.states, a, count);
      for (int64_t n = 0; n < layout.states; ++n) store(a + n * kLanes, load(a + n * kLanes) * kLog2E);
      take_rows(p.D + row, 1, straight, count);
      if (k) {
        float* first = packed + block * layout.block_size() + layout.d_row() * kLanes;
        store(first, load(first) + load(straight));
      }
    }
  }
}

// The gradients of a block's weights, summed in the first slot that has the block.
inline void reduce_block(const ss2d_params& p, const ss2d_gradients& g, const ss2d::Deal& deal, float* workspace,
                         int64_t k, int64_t block) {
  const ss2d::Layout& layout = deal.layout;
  const int64_t size = layout.block_size();
  float* total = deal.items ? nullptr : workspace + (k * deal.width + block) * size;  // an empty batch: zeros
  for (int64_t number = 0; number < deal.slots; ++number) {
    const int64_t place = deal.place(number, block);
    if (place < 0) continue;
    float* part = Slot(workspace, deal, number).weights + (k * deal.width + place) * size;
    if (total)
      for (int64_t i = 0; i < size; i += kLanes) store(total + i, load(total + i) + load(part + i));
    else
      total = part;
  }
  const int64_t row = k * p.d_inner + block * kLanes, left = p.d_inner - block * kLanes;
  const int64_t count = left < kLanes ? left : kLanes;
  put_rows(total, layout.rank, g.dt_weight + row * layout.rank, count);
  put_rows(total + layout.a_row() * kLanes, layout.states, g.A + row * layout.states, count);
  put_rows(total + layout.bias_row() * kLanes, 1, g.dt_bias + row, count);
  put_rows(total + layout.d_row() * kLanes, 1, g.D + row, count);
}

// One route's part of x_dbl of the images that several slots share.
inline void reduce_shared(const ss2d_gradients& g, const ss2d::Deal& deal, float* workspace, int64_t k) {
  const ss2d::Layout& layout = deal.layout;
  const ss2d_strides& s = g.x_dbl_strides;
  const int64_t values = layout.values();
  for (int64_t number = 1; number < deal.slots; ++number) {
    const int64_t first = deal.first(number);
    if (first % layout.blocks == 0) continue;
    const float* from = Slot(workspace, deal, number).shared + k * values;
    float* to = g.x_dbl + first / layout.blocks * s.batch + k * values * s.channel;
    for (int64_t pixel = 0; pixel < layout.length; ++pixel)
      for (int64_t v = 0; v < values; ++v)
        to[pixel * s.pixel + v * s.channel] += from[pixel * layout.routes * values + v];
  }
}

// The sums over the slots, in their order: a block's weights, or one route of x_dbl.
void reduce(const ss2d_params& p, const ss2d_gradients& g, float* workspace, int64_t slots, int64_t task) {
  const ss2d::Layout layout = layout_of(p);
  const ss2d::Deal deal(layout, p.batch, slots);
  const int64_t left = task - layout.routes * layout.blocks;
  if (left < 0)
    reduce_block(p, g, deal, workspace, task / layout.blocks, task % layout.blocks);
  else
    reduce_shared(g, deal, workspace, left);
}

}  // namespace

#endif
