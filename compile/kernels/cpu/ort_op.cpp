// SelectiveScan2D as an ONNX Runtime custom operator: domain "vmamba", float32, any batch and map size.
//
// A kernel object packs its weights once where they are constants of the graph, and then holds nothing that a run
// writes: concurrent runs are safe, scratch memory belongs to the call.
#include <memory>
#include <string>
#include <vector>

#include "ort_kernel.h"

#include "../selective_scan.h"

namespace {

enum Input { kU, kXDbl, kDtWeight, kDtBias, kA, kD, kInputs };
constexpr size_t kRanks[kInputs] = {4, 4, 3, 2, 3, 2};

struct Kernel {
  const Api* api;
  std::vector<int32_t> routes;
  bool channels_first;
  std::vector<float> packed;  // empty where the weights are not constant
};

void require(ss2d_status status) {
  if (status != SS2D_OK) throw Failure{ss2d_text_from_status(status)};
}

Tensor tensor_of_rank(Tensor tensor, size_t rank) {
  if (tensor.rank != rank) throw Failure{"SelectiveScan2D: an input has the wrong number of dimensions"};
  return tensor;
}

ss2d_params params_from_weights(const Kernel& kernel, const Tensor* inputs) {
  ss2d_params p = {};
  const int64_t *weight = inputs[kDtWeight].shape, k = static_cast<int64_t>(kernel.routes.size());
  const int64_t d = weight[1], r = weight[2], n = inputs[kA].shape[2];
  if (weight[0] != k || !inputs[kDtBias].has_shape({k, d}) || !inputs[kA].has_shape({k, d, n}) ||
      !inputs[kD].has_shape({k, d}) || d > INT32_MAX || r > INT32_MAX || n > INT32_MAX)
    throw Failure{"SelectiveScan2D: the weights' shapes do not fit one another and the routes"};
  p.abi = SS2D_ABI;
  p.batch = p.height = p.width = 1;
  p.d_inner = static_cast<int32_t>(d);
  p.dt_rank = static_cast<int32_t>(r);
  p.d_state = static_cast<int32_t>(n);
  p.routes_n = static_cast<int32_t>(k);
  p.routes = kernel.routes.data();
  p.dt_weight = inputs[kDtWeight].floats();
  p.dt_bias = inputs[kDtBias].floats();
  p.A = inputs[kA].floats();
  p.D = inputs[kD].floats();
  return p;
}

std::vector<float> packed_from_params(const ss2d_params& p) {
  ss2d_bytes bytes;
  require(ss2d_bytes_from_params(&p, 1, &bytes));
  std::vector<float> packed(bytes.packed / sizeof(float));
  require(ss2d_pack(&p, packed.data()));
  return packed;
}

void add_maps(const Kernel& kernel, const Tensor* inputs, ss2d_params* p) {
  const int64_t *u = inputs[kU].shape, *x = inputs[kXDbl].shape;
  const int channel = kernel.channels_first ? 1 : 3, row = kernel.channels_first ? 2 : 1;
  const int64_t values = int64_t{p->routes_n} * (p->dt_rank + 2 * int64_t{p->d_state});
  if (u[channel] != p->d_inner || x[channel] != values || x[0] != u[0] || x[row] != u[row] ||
      x[row + 1] != u[row + 1] || u[0] > INT32_MAX || u[row] > INT32_MAX || u[row + 1] > INT32_MAX)
    throw Failure{"SelectiveScan2D: the shapes of u and x_dbl do not fit the weights"};
  p->batch = static_cast<int32_t>(u[0]);
  p->height = static_cast<int32_t>(u[row]);
  p->width = static_cast<int32_t>(u[row + 1]);
  const int64_t length = u[row] * u[row + 1];
  const auto strides = [&](int64_t channels) {
    if (kernel.channels_first) return ss2d_strides{length * channels, 1, length};
    return ss2d_strides{length * channels, channels, 1};
  };
  p->u = inputs[kU].floats();
  p->x_dbl = inputs[kXDbl].floats();
  p->u_strides = p->y_strides = strides(p->d_inner);
  p->x_dbl_strides = strides(values);
}

struct Pool {
  const Api* api;
  const ort::KernelContext* context;
};

void run_on_pool(void* context, int64_t tasks, ss2d_task task, void* argument) {
  struct Work {
    ss2d_task task;
    void* argument;
  } work = {task, argument};
  const Pool& pool = *static_cast<const Pool*>(context);
  const auto one = [](void* data, size_t index) {
    const Work& work = *static_cast<const Work*>(data);
    work.task(work.argument, static_cast<int64_t>(index));
  };
  // It can only refuse an invalid context.
  (void)pool.api->parallel_for(pool.context, one, static_cast<size_t>(tasks), 0, &work);
}

void compute(const Kernel& kernel, ort::KernelContext* context) {
  const Api& api = *kernel.api;
  Tensor inputs[kInputs];
  for (int i = 0; i < kInputs; ++i) inputs[i] = tensor_of_rank(input_from_context(api, context, i), kRanks[i]);
  ss2d_params p = params_from_weights(kernel, inputs);
  const std::vector<float> own = kernel.packed.empty() ? packed_from_params(p) : std::vector<float>();
  add_maps(kernel, inputs, &p);
  p.y = output_in_context(api, context, 0, inputs[kU].shape, kRanks[kU]);
  ss2d_bytes bytes;
  require(ss2d_bytes_from_params(&p, 1, &bytes));
  const std::unique_ptr<float[]> workspace(new float[bytes.forward / sizeof(float)]);  // not cleared: it may be large
  Pool pool = {&api, context};
  const ss2d_parallel parallel = {run_on_pool, &pool};
  const float* packed = kernel.packed.empty() ? own.data() : kernel.packed.data();
  require(ss2d_forward(&p, packed, workspace.get(), bytes.forward, &parallel));
}

void read_attributes(const ort::KernelInfo* info, Kernel* kernel) {
  const Api& api = *kernel->api;
  size_t count = 0;
  require(api.attribute_ints(info, "routes", nullptr, &count));
  std::vector<int64_t> routes(count);
  require(api.attribute_ints(info, "routes", routes.data(), &count));
  kernel->routes.assign(routes.begin(), routes.end());
  char layout[8] = "last";
  size_t bytes = sizeof layout;
  require(api.attribute_string(info, "layout", layout, &bytes));
  kernel->channels_first = std::string(layout) == "first";
  if (!kernel->channels_first && std::string(layout) != "last")
    throw Failure{"SelectiveScan2D: layout is neither first nor last"};
}

void pack_constants(const ort::KernelInfo* info, Kernel* kernel) {
  const Api& api = *kernel->api;
  Tensor inputs[kInputs];
  for (int i = kDtWeight; i < kInputs; ++i) {
    int is_constant = 0;
    const ort::Value* value = nullptr;
    require(api.constant_input(info, i, &is_constant, &value));
    if (!is_constant) return;
    inputs[i] = tensor_of_rank(tensor_from_value(api, value), kRanks[i]);
  }
  kernel->packed = packed_from_params(params_from_weights(*kernel, inputs));
}

ort::Status* create(const ort::CustomOp*, const Api* api, const ort::KernelInfo* info, void** out) {
  *out = nullptr;
  Kernel* kernel = new (std::nothrow) Kernel{api, {}, false, {}};
  if (!kernel) return api->create_status(ort::kFail, "SelectiveScan2D: Failed to allocate memory");
  ort::Status* status = guarded(*api, [&] {
    read_attributes(info, kernel);
    pack_constants(info, kernel);
  });
  if (status) delete kernel;
  else *out = kernel;
  return status;
}

ort::Status* run(void* kernel, ort::KernelContext* context) {
  const Kernel& self = *static_cast<const Kernel*>(kernel);
  return guarded(*self.api, [&] { compute(self, context); });
}

ort::CustomOp operator_of_version_1() {
  ort::CustomOp op = {};
  op.version = ort::kApiVersion;
  op.name = [](const ort::CustomOp*) { return "SelectiveScan2D"; };
  op.provider = [](const ort::CustomOp*) { return "CPUExecutionProvider"; };
  op.input_type = op.output_type = [](const ort::CustomOp*, size_t) { return ort::kFloat; };
  op.input_count = [](const ort::CustomOp*) { return size_t{kInputs}; };
  op.output_count = [](const ort::CustomOp*) { return size_t{1}; };
  op.input_kind = op.output_kind = [](const ort::CustomOp*, size_t) { return ort::kRequired; };
  op.input_memory = [](const ort::CustomOp*, size_t) { return ort::kMemoryDefault; };
  op.start_version = op.end_version = [](const ort::CustomOp*) { return 1; };
  op.destroy = [](void* kernel) { delete static_cast<Kernel*>(kernel); };
  op.create = create;
  op.compute = run;
  return op;
}

ort::CustomOpDomain* domain_with_operator(const Api& api) {
  static const ort::CustomOp op = operator_of_version_1();
  ort::CustomOpDomain* domain = nullptr;
  require(api.create_domain("vmamba", &domain));
  require(api.add_op(domain, &op));
  add_fused_operators(api, domain);
  return domain;
}

}  // namespace

// What ONNX Runtime looks for in the library.
extern "C" __attribute__((visibility("default"))) ort::Status* RegisterCustomOps(ort::SessionOptions* options,
                                                                                 const ort::ApiBase* base) {
  const Api* api = base->get_api(ort::kApiVersion);
  if (!api) return nullptr;  // older than 1.17: the operator stays unknown, and the graph's local function runs
  return guarded(*api, [&] {
    // Sessions point to it until the process ends.
    static ort::CustomOpDomain* const domain = domain_with_operator(*api);
    require(api->add_domain(options, domain));
  });
}
