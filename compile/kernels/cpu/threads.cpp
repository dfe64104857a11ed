// Threads for callers that have none: started for one call, gone when it returns.
#include <atomic>
#include <system_error>
#include <thread>

#include "../selective_scan.h"

namespace {

constexpr int kMaxThreads = 64;  // more than a scan can use; keeps the list on the stack

}  // namespace

void ss2d_run_on_threads(void* context, int64_t tasks, ss2d_task task, void* argument) {
  std::atomic<int64_t> next{0};
  const auto work = [&] {
    for (int64_t index = next++; index < tasks; index = next++) task(argument, index);
  };
  int64_t wanted = *static_cast<const int32_t*>(context) - 1;
  if (wanted > tasks - 1) wanted = tasks - 1;
  if (wanted > kMaxThreads) wanted = kMaxThreads;
  std::thread threads[kMaxThreads];
  try {
    for (int64_t i = 0; i < wanted; ++i) threads[i] = std::thread(work);
  } catch (const std::system_error&) {  // the system is out of threads: those that started do it all
  }
  work();
  for (std::thread& thread : threads)
    if (thread.joinable()) thread.join();
}
