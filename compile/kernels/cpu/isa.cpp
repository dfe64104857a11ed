// Compiled once per ISA: -DSS2D_KERNEL=kKernelV3 -march=x86-64-v3.
#include "backward.h"
#include "forward.h"
#include "pack.h"

namespace ss2d {

extern const Kernel SS2D_KERNEL;
const Kernel SS2D_KERNEL = {kLanes, pack, stage, forward, backward, reduce};

}  // namespace ss2d
