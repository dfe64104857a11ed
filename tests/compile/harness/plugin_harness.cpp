// The harness on the plugin as TensorRT meets it: opened with dlopen, driven through TensorRT's interfaces, without
// any TensorRT library. Needs TensorRT's headers to compile.
#include <dlfcn.h>

#include <NvInferRuntime.h>

#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "memory.h"

namespace {

using namespace nvinfer1;
using Fields = std::vector<PluginField>;
using Owned = std::unique_ptr<IPluginV3>;
constexpr int kInputs = harness::kY;
constexpr int kRanks[harness::kTensors] = {4, 4, 3, 2, 3, 2, 4};
constexpr DataType kTypes[] = {DataType::kFLOAT, DataType::kHALF, DataType::kINT8, DataType::kINT32};

std::string logged;  // the last line

struct Logger final : ILogger {
  void log(Severity, char const* text) noexcept override { logged = text; }
};

struct Finder final : ILoggerFinder {
  Logger logger;
  ILogger* findLogger() override { return &logger; }
};

Finder finder;
IPluginCreatorV3One* creator = nullptr;

struct Descs {
  PluginTensorDesc now[harness::kTensors] = {};
  DynamicPluginTensorDesc dynamic[harness::kTensors] = {};
};

Descs descs_from_scan(const harness_scan& scan) {
  Descs descs;
  for (int i = 0; i < harness::kTensors; ++i) {
    PluginTensorDesc& desc = descs.now[i];
    desc.dims.nbDims = kRanks[i];
    for (int axis = 0; axis < kRanks[i]; ++axis) desc.dims.d[axis] = scan.sizes[i][axis];
    desc.type = kTypes[scan.dtypes[i]];
    desc.format = TensorFormat::kLINEAR;
    DynamicPluginTensorDesc& dynamic = descs.dynamic[i];
    dynamic = {desc, desc.dims, desc.dims, desc.dims};
    if (kRanks[i] == 4) dynamic.desc.dims.d[0] = -1, dynamic.min.d[0] = 1;  // the batch is open
  }
  return descs;
}

Fields fields_from_scan(const harness_scan& scan) {
  return {{"routes", scan.routes, PluginFieldType::kINT32, scan.routes_n},
          {"layout", scan.layout, PluginFieldType::kCHAR, static_cast<int32_t>(std::strlen(scan.layout))},
          {"u_scale", &scan.u_scale, PluginFieldType::kFLOAT32, 1},
          {"x_dbl_scale", &scan.x_dbl_scale, PluginFieldType::kFLOAT32, 1},
          {"y_scale", &scan.y_scale, PluginFieldType::kFLOAT32, 1}};
}

Owned created(const Fields& fields, TensorRTPhase phase) {
  const PluginFieldCollection collection = {static_cast<int32_t>(fields.size()), fields.data()};
  return Owned(creator->createPlugin("scan", &collection, phase));
}

template <typename Interface>
Interface* as(IPluginV3* plugin, PluginCapabilityType type) {
  return static_cast<Interface*>(plugin->getCapabilityInterface(type));
}

IPluginV3OneBuild* build_of(const Owned& plugin) {
  return as<IPluginV3OneBuild>(plugin.get(), PluginCapabilityType::kBUILD);
}

IPluginV3OneRuntime* runtime_of(const Owned& plugin) {
  return as<IPluginV3OneRuntime>(plugin.get(), PluginCapabilityType::kRUNTIME);
}

const char* forward(const Owned& plugin, const harness_scan& scan) {
  const Descs descs = descs_from_scan(scan);
  IPluginV3OneBuild* build = build_of(plugin);
  const DynamicPluginTensorDesc *in = descs.dynamic, *out = descs.dynamic + kInputs;
  if (build->configurePlugin(in, kInputs, out, 1)) return logged.c_str();
  const size_t bytes = build->getWorkspaceSize(in, kInputs, out, 1);
  const Owned attached(runtime_of(plugin)->attachToContext(nullptr));
  IPluginV3OneRuntime* runtime = runtime_of(attached);
  if (runtime->setTactic(scan.tactic)) return logged.c_str();
  if (runtime->onShapeChange(descs.now, kInputs, descs.now + kInputs, 1)) return logged.c_str();
  return harness::run(scan, bytes, [&](void* const* inputs, void* y, void* workspace, auto stream) -> const char* {
    const auto cuda_stream = static_cast<cudaStream_t>(stream);
    const int32_t code = runtime->enqueue(descs.now, descs.now + kInputs, inputs, &y, workspace, cuda_stream);
    return code ? logged.c_str() : nullptr;
  });
}

}  // namespace

// As TensorRT's library says it: the plugin asks the library of the logger's finder before it calls that.
int32_t getInferLibVersion() noexcept { return NV_TENSORRT_VERSION; }

#define CHECK(condition)                            \
  do {                                              \
    if (!(condition)) return "not so: " #condition; \
  } while (0)

const char* harness_open(const char* path) {
  void* library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!library) return dlerror();
  const auto give_finder = reinterpret_cast<void (*)(ILoggerFinder*)>(dlsym(library, "setLoggerFinder"));
  const auto get_creators =
      reinterpret_cast<IPluginCreatorInterface* const* (*)(int32_t&)>(dlsym(library, "getCreators"));
  CHECK(give_finder && get_creators);
  give_finder(&finder);
  int32_t creators_n = 0;
  IPluginCreatorInterface* const* creators = get_creators(creators_n);
  CHECK(creators_n == 1);
  CHECK(std::string(creators[0]->getInterfaceInfo().kind) == "PLUGIN CREATOR_V3ONE");
  creator = static_cast<IPluginCreatorV3One*>(creators[0]);
  CHECK(std::string(creator->getPluginName()) == "SelectiveScan2D");
  CHECK(std::string(creator->getPluginVersion()) == "1" && !*creator->getPluginNamespace());
  CHECK(creator->getFieldNames()->nbFields == 5);
  return nullptr;
}

int32_t harness_supports(const harness_scan* scan) {
  const Owned plugin = created(fields_from_scan(*scan), TensorRTPhase::kBUILD);
  Descs descs = descs_from_scan(*scan);
  for (int i = 0; i < harness::kTensors; ++i) {
    if (!build_of(plugin)->supportsFormatCombination(i, descs.dynamic, kInputs, 1)) return 0;
    descs.dynamic[i].desc.format = TensorFormat::kCHW32;
    if (build_of(plugin)->supportsFormatCombination(i, descs.dynamic, kInputs, 1)) return -1;
    descs.dynamic[i].desc.format = TensorFormat::kLINEAR;
  }
  return 1;
}

int32_t harness_tactics(const harness_scan* scan) {
  const Owned plugin = created(fields_from_scan(*scan), TensorRTPhase::kBUILD);
  const Descs descs = descs_from_scan(*scan);
  build_of(plugin)->configurePlugin(descs.dynamic, kInputs, descs.dynamic + kInputs, 1);
  return build_of(plugin)->getNbTactics();
}

const char* harness_forward(const harness_scan* scan) {
  const Owned plugin = created(fields_from_scan(*scan), TensorRTPhase::kBUILD);
  return plugin ? forward(plugin, *scan) : logged.c_str();
}

namespace {

struct Size final : IDimensionExpr {};
struct Builder final : IExprBuilder {};

const char* check_shapes_and_types(const Owned& plugin, const harness_scan& scan) {
  Size sizes[4];
  Builder builder;
  DimsExprs in[kInputs] = {}, out = {};
  in[0].nbDims = 4;
  for (int i = 0; i < 4; ++i) in[0].d[i] = &sizes[i];
  CHECK(build_of(plugin)->getNbOutputs() == 1);
  CHECK(!build_of(plugin)->getOutputShapes(in, kInputs, nullptr, 0, &out, 1, builder));
  CHECK(out.nbDims == 4 && out.d[0] == &sizes[0] && out.d[3] == &sizes[3]);
  CHECK(build_of(plugin)->getOutputShapes(in, kInputs - 1, nullptr, 0, &out, 1, builder));
  DataType types[kInputs], y;
  for (int i = 0; i < kInputs; ++i) types[i] = kTypes[scan.dtypes[i]];
  CHECK(!build_of(plugin)->getOutputDataTypes(&y, 1, types, kInputs));
  CHECK(y == kTypes[scan.dtypes[harness::kY]] || (scan.y_scale > 0 && y == DataType::kINT8));
  types[0] = DataType::kINT32;
  CHECK(build_of(plugin)->getOutputDataTypes(&y, 1, types, kInputs));
  return nullptr;
}

const char* check_tactics(const Owned& plugin, const harness_scan& scan) {
  Descs descs = descs_from_scan(scan);
  const DynamicPluginTensorDesc *in = descs.dynamic, *out = descs.dynamic + kInputs;
  IPluginV3OneBuild* build = build_of(plugin);
  CHECK(build->getNbTactics() == 0);
  CHECK(!build->configurePlugin(in, kInputs, out, 1));
  std::vector<int32_t> tactics(build->getNbTactics());
  CHECK(!tactics.empty());
  CHECK(!build->getValidTactics(tactics.data(), static_cast<int32_t>(tactics.size())));
  for (const int32_t tactic : tactics) CHECK(tactic > 0 && !runtime_of(plugin)->setTactic(tactic));
  CHECK(runtime_of(plugin)->setTactic(tactics.back() + 1000) && runtime_of(plugin)->setTactic(-1));
  const size_t most = build->getWorkspaceSize(in, kInputs, out, 1);
  for (int i : {0, 1, harness::kY}) descs.dynamic[i].desc.dims.d[0] = descs.dynamic[i].max.d[0] = 1;
  CHECK(build->getWorkspaceSize(in, kInputs, out, 1) <= most);
  return nullptr;
}

const char* check_refusals(const Owned& plugin, const harness_scan& scan) {
  Descs descs = descs_from_scan(scan);
  descs.now[1].dims.d[2] += 1;
  logged.clear();
  CHECK(runtime_of(plugin)->onShapeChange(descs.now, kInputs, descs.now + kInputs, 1));
  CHECK(logged.find("SelectiveScan2D: the shapes") == 0);
  void* none[harness::kTensors] = {};
  CHECK(runtime_of(plugin)->enqueue(descs.now, descs.now + kInputs, none, none, nullptr, nullptr));
  const Descs well = descs_from_scan(scan);
  CHECK(runtime_of(plugin)->enqueue(well.now, well.now + kInputs, none, none, nullptr, nullptr));  // no pointers
  Fields fields = fields_from_scan(scan);
  const int32_t bad_route = 4;
  fields[0] = {"routes", &bad_route, PluginFieldType::kINT32, 1};
  CHECK(!created(fields, TensorRTPhase::kBUILD));
  fields[0].length = 0;
  CHECK(!created(fields, TensorRTPhase::kBUILD));
  fields = fields_from_scan(scan);
  fields[1] = {"layout", "middle", PluginFieldType::kCHAR, 6};
  CHECK(!created(fields, TensorRTPhase::kBUILD));
  fields[1] = {"layout", scan.layout, PluginFieldType::kINT32, 1};
  CHECK(!created(fields, TensorRTPhase::kBUILD));
  CHECK(!creator->createPlugin("scan", nullptr, TensorRTPhase::kBUILD));
  return nullptr;
}

}  // namespace

const char* harness_check(const harness_scan* scan) {
  const Owned plugin = created(fields_from_scan(*scan), TensorRTPhase::kBUILD);
  CHECK(plugin);
  const auto* core = as<IPluginV3OneCore>(plugin.get(), PluginCapabilityType::kCORE);
  CHECK(std::string(core->getPluginName()) == creator->getPluginName());
  const std::string identity = build_of(plugin)->getTimingCacheID();
  CHECK(identity.find("sources=") != std::string::npos);
  if (const char* problem = check_shapes_and_types(plugin, *scan)) return problem;
  if (const char* problem = check_tactics(plugin, *scan)) return problem;
  if (const char* problem = check_refusals(plugin, *scan)) return problem;
  const Owned copy(plugin->clone());
  CHECK(identity == build_of(copy)->getTimingCacheID());
  CHECK(build_of(copy)->getNbTactics() == build_of(plugin)->getNbTactics());
  const PluginFieldCollection& plan = *runtime_of(copy)->getFieldsToSerialize();
  Fields fields(plan.fields, plan.fields + plan.nbFields);
  const Owned again = created(fields, TensorRTPhase::kRUNTIME);
  CHECK(again && identity == build_of(again)->getTimingCacheID());
  fields.back() = {"sources", "another", PluginFieldType::kCHAR, 7};
  CHECK(!created(fields, TensorRTPhase::kRUNTIME));
  CHECK(logged.find("build the engine again") != std::string::npos);
  fields.pop_back();
  CHECK(!created(fields, TensorRTPhase::kRUNTIME));
  return forward(again, *scan);
}
