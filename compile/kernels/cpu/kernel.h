// What a translation unit compiled for one ISA gives to the dispatcher, and how the memory that passes between calls
// is laid out.
#ifndef VMAMBA_CPU_KERNEL_H
#define VMAMBA_CPU_KERNEL_H

#include "../selective_scan.h"

namespace ss2d {

struct Kernel {
  int64_t lanes;  // channels a block
  void (*pack)(const ss2d_params&, float* packed);
  void (*forward)(const ss2d_params&, const float* packed, float* workspace, int64_t task);
  void (*backward)(const ss2d_params&, const float* packed, const ss2d_gradients&, float* workspace, int64_t slot,
                   int64_t slots);
  void (*reduce)(const ss2d_params&, const ss2d_gradients&, const float* workspace, int64_t slots);
};

extern const Kernel kKernelV2, kKernelV3, kKernelV4, kKernelNeon;

// All sizes in floats.
struct Layout {
  int64_t length, blocks, lanes, states, rank, routes;

  // Packed weights and their gradients: routes x blocks x [R rows of dt_weight | dt_bias | N rows of A | D] x lanes.
  int64_t bias_row() const { return rank; }
  int64_t a_row() const { return rank + 1; }
  int64_t d_row() const { return rank + 1 + states; }
  int64_t block_size() const { return (rank + states + 2) * lanes; }
  int64_t packed_size() const { return routes * blocks * block_size(); }

  // Forward: the states of each task, unless one register holds them.
  int64_t state_size() const { return states > 1 ? states * lanes : 0; }
  int64_t forward_size(int64_t batch) const { return batch * blocks * state_size(); }

  // Backward, a slot: see Trace in backward.h.
  int64_t trace_size() const { return lanes * (length * (4 * states + 2 + blocks) + 2 * states); }
  int64_t slot_size() const { return packed_size() + trace_size(); }
};

}  // namespace ss2d

#endif
