// The backward pass, for each image and route: all blocks of channels forward, keeping delta and one state a span of
// steps; then span by span back again, with the span's states and decays made anew in the first cache.
//
//   gh_s = gy_s C_s + a_(s+1) gh_(s+1)       a = exp(delta A), gh = dLoss/dh
//   d(delta A) = gh_s a_s h_(s-1)            d(delta u) = gh_s B_s           dz = d(delta) sigmoid(z)
#ifndef VMAMBA_CPU_BACKWARD_H
#define VMAMBA_CPU_BACKWARD_H

#include "span.h"

namespace {

// Some blocks of one image, and where its gradient of x_dbl goes.
struct Part {
  const ss2d_params& params;
  const ss2d_gradients& gradients;
  const float* packed;
  int64_t image, first, last, place;  // `place`: of the first one's gradients, see Deal
  float* dx;
  ss2d_strides dx_strides;
};

template <bool kWhole>
Maps<kWhole> maps_of(const Part& part, int64_t block) {
  const ss2d_params& p = part.params;
  const ss2d_gradients& g = part.gradients;
  return {channels_of<kWhole>(static_cast<const float*>(p.u), p.u_strides, part.image, block, p.d_inner),
          channels_of<kWhole>(g.y, g.y_strides, part.image, block, p.d_inner),
          channels_of<kWhole>(g.u, g.u_strides, part.image, block, p.d_inner)};
}

template <bool kWhole>
void enter(const Part& part, const Block& b, const Span& span) {
  const auto run = b.layout.states == 1 ? enter_span<kWhole, true> : enter_span<kWhole, false>;
  run(maps_of<kWhole>(part, part.first + b.index).u, b, span);
}

template <bool kWhole>
void reverse(const Part& part, const Block& b, const Span& span) {
  const auto run = b.layout.states == 1 ? reverse_span<kWhole, true> : reverse_span<kWhole, false>;
  run(maps_of<kWhole>(part, part.first + b.index), b, span);
}

// The route's scalars to slot.x, then one pass over the blocks: forward, or back.
void run_blocks(const ss2d::Layout& layout, const Part& part, const Slot& slot, int64_t k, const Span& span,
                bool back) {
  const Scalars x = scalars_of(part.params, layout, part.image, k);
  for (int64_t t = 0; t < span.steps; ++t)
    for (int64_t v = 0; v < layout.values(); ++v)
      slot.x[t * layout.values() + v] = x.data[span.pixels[t] * x.pixel_stride + v * x.stride];
  const bool neighbours = part.params.u_strides.channel == 1 && part.gradients.y_strides.channel == 1 &&
                          part.gradients.u_strides.channel == 1;
  for (int64_t block = part.first; block < part.last; ++block) {
    const int64_t index = block - part.first, piece = span.number * slot.width + index;
    const int64_t states = layout.states * kLanes, row = k * slot.width + (part.place + index) % layout.blocks;
    const Block b = {layout, slot, part.packed + (k * layout.blocks + block) * layout.block_size(),
                     slot.weights + row * layout.block_size(), slot.delta + piece * kSpan * kLanes,
                     slot.state + piece * states, slot.carry + index * states, k, index};
    const bool whole = neighbours && is_whole(part.params, block);
    const auto run = back ? (whole ? reverse<true> : reverse<false>) : (whole ? enter<true> : enter<false>);
    run(part, b, span);
  }
}

// The gradients of kRows values of dt: dt_weight dz, summed over the channels; as many sums as half of the registers
// hold. Steps beyond the span give numbers that nobody reads.
template <int kRows>
SS2D_INLINE void dt_rows(const ss2d::Layout& layout, const float* weights, int64_t r, const Slot& slot, int64_t steps,
                         int64_t blocks) {
  constexpr int kSums = kRegisters / 2, kSteps = kSums / kRows;
  static_assert(kSpan % kSums == 0 && kSums % kLanes == 0, "the last steps of a span have room for all sums");
  for (int64_t s = 0; s < steps; s += kSteps) {
    Vec sums[kSums] = {};
    for (int64_t block = 0; block < blocks; ++block) {
      const float* row = weights + block * layout.block_size() + r * kLanes;
      for (int t = 0; t < kSteps; ++t) {
        const Vec v = load(slot.dz + ((s + t) * slot.width + block) * kLanes);
        for (int j = 0; j < kRows; ++j) sums[t * kRows + j] += v * load(row + j * kLanes);
      }
    }
    float out[kSums];
    for (int i = 0; i < kSums; i += kLanes) store(out + i, lane_sums(sums + i));
    for (int t = 0; t < kSteps; ++t)
      for (int j = 0; j < kRows; ++j) slot.x[(s + t) * layout.values() + r + j] = out[t * kRows + j];
  }
}

// The gradients of B and C: the sums of slot.bc over the lanes.
void bc_values(const ss2d::Layout& layout, const Slot& slot, int64_t steps) {
  const int64_t both = 2 * layout.states;
  float* to = slot.x + layout.rank;
  for (int64_t i = 0, n = 0; i < steps * both; i += kLanes) {
    Vec lanes[kLanes];
    for (int j = 0; j < kLanes; ++j) lanes[j] = load(slot.bc + (i + j) * kLanes);
    const Vec sums = lane_sums(lanes);
    for (int j = 0; j < kLanes; ++j) {
      to[n] = sums[j];
      if (++n == both) {
        n = 0;
        to += layout.values();
      }
    }
  }
}

// The gradient of x_dbl at the span's pixels; in slot.x first.
void put_scalars(const ss2d::Layout& layout, const Part& part, const Slot& slot, int64_t k, const Span& span) {
  const float* weights = part.packed + (k * layout.blocks + part.first) * layout.block_size();
  const int64_t blocks = part.last - part.first;
  int64_t r = 0;
  for (; r + 4 <= layout.rank; r += 4) dt_rows<4>(layout, weights, r, slot, span.steps, blocks);
  for (; r + 2 <= layout.rank; r += 2) dt_rows<2>(layout, weights, r, slot, span.steps, blocks);
  for (; r < layout.rank; ++r) dt_rows<1>(layout, weights, r, slot, span.steps, blocks);
  bc_values(layout, slot, span.steps);
  const ss2d_strides& strides = part.dx_strides;
  for (int64_t t = 0; t < span.steps; ++t)
    for (int64_t v = 0; v < layout.values(); ++v)
      part.dx[span.pixels[t] * strides.pixel + (k * layout.values() + v) * strides.channel] =
          slot.x[t * layout.values() + v];
}

void backward_route(const ss2d::Layout& layout, const Part& part, const Slot& slot, int64_t k) {
  const ss2d_params& p = part.params;
  Route route(p.routes[k], p.height, p.width), reversed(p.routes[k] ^ 2, p.height, p.width);
  __builtin_memset(slot.state, 0, slot.width * layout.states * sizeof(Vec));
  __builtin_memset(slot.carry, 0, slot.width * layout.states * sizeof(Vec));
  for (int64_t n = 0; n < layout.spans(); ++n)
    run_blocks(layout, part, slot, k, Span(layout, n, route, false), false);
  for (int64_t n = layout.spans() - 1; n >= 0; --n) {
    const Span span(layout, n, reversed, true);
    run_blocks(layout, part, slot, k, span, true);
    put_scalars(layout, part, slot, k, span);
  }
}

void backward(const ss2d_params& p, const float* packed, const ss2d_gradients& g, float* workspace, int64_t number,
              int64_t slots) {
  const ss2d::Layout layout = layout_of(p);
  const ss2d::Deal deal(layout, p.batch, slots);
  const Slot slot(workspace, deal, number);
  const int64_t blocks = layout.blocks, values = layout.routes * layout.values(), end = deal.first(number + 1);
  __builtin_memset(slot.weights, 0, deal.weights_size() * sizeof(float));
  for (int64_t item = deal.first(number); item < end;) {
    const int64_t image = item / blocks, first = item % blocks, left = end - image * blocks;
    Part part = {p, g, packed, image, first, left < blocks ? left : blocks, deal.place(number, first),
                 g.x_dbl + image * g.x_dbl_strides.batch, g.x_dbl_strides};
    if (first) {
      part.dx = slot.shared;
      part.dx_strides = {0, values, 1};
    }
    for (int64_t k = 0; k < layout.routes; ++k) backward_route(layout, part, slot, k);
    item += part.last - first;
  }
}

}  // namespace

#endif
