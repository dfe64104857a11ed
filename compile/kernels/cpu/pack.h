// The weights in the order in which the kernel reads them, and their gradients back again.
#ifndef VMAMBA_CPU_PACK_H
#define VMAMBA_CPU_PACK_H

#include "route.h"

namespace {

// See Layout; lanes beyond D hold 0. A is multiplied by log2(e) for exp2. What passes straight through is added once,
// with the first route, so its D row holds the sum of all.
void pack(const ss2d_params& p, float* packed) {
  const ss2d::Layout layout = layout_of(p);
  __builtin_memset(packed, 0, layout.packed_size() * sizeof(float));
  for (int64_t k = 0; k < layout.routes; ++k) {
    for (int64_t d = 0; d < p.d_inner; ++d) {
      const int64_t row = k * p.d_inner + d, block = d / kLanes, lane = d % kLanes;
      float* to = packed + (k * layout.blocks + block) * layout.block_size() + lane;
      for (int64_t r = 0; r < layout.rank; ++r) to[r * kLanes] = p.dt_weight[row * layout.rank + r];
      to[layout.bias_row() * kLanes] = p.dt_bias[row];
      for (int64_t n = 0; n < layout.states; ++n)
        to[(layout.a_row() + n) * kLanes] = p.A[row * layout.states + n] * kLog2E;
      packed[block * layout.block_size() + layout.d_row() * kLanes + lane] += p.D[row];
    }
  }
}

// The sum over the slots, in a fixed order.
void reduce(const ss2d_params& p, const ss2d_gradients& g, const float* workspace, int64_t slots) {
  const ss2d::Layout layout = layout_of(p);
  for (int64_t k = 0; k < layout.routes; ++k) {
    for (int64_t d = 0; d < p.d_inner; ++d) {
      const float* from = workspace + (k * layout.blocks + d / kLanes) * layout.block_size() + d % kLanes;
      const auto total = [&](int64_t row) {
        float sum = 0;
        for (int64_t slot = 0; slot < slots; ++slot) sum += from[slot * layout.slot_size() + row * kLanes];
        return sum;
      };
      const int64_t row = k * p.d_inner + d;
      for (int64_t r = 0; r < layout.rank; ++r) g.dt_weight[row * layout.rank + r] = total(r);
      for (int64_t n = 0; n < layout.states; ++n) g.A[row * layout.states + n] = total(layout.a_row() + n);
      g.dt_bias[row] = total(layout.bias_row());
      g.D[row] = total(layout.d_row());
    }
  }
}

}  // namespace

#endif
