#include "bench/process.h"

#include <spdlog/fmt/fmt.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>

namespace pgweir::bench {
namespace {

namespace fs = std::filesystem;

std::string contents(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::uint64_t number_after(const std::string& text, std::string_view name) {
  auto at = text.find(name);
  if (at == std::string::npos) return 0;
  at = text.find_first_of("0123456789", at + name.size());
  if (at == std::string::npos) return 0;
  std::uint64_t value = 0;
  std::from_chars(text.data() + at, text.data() + text.size(), value);
  return value;
}

std::vector<int> numeric_entries(const std::string& directory) {
  std::vector<int> found;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(directory, error)) {
    const std::string name = entry.path().filename();
    int number = 0;
    if (std::from_chars(name.data(), name.data() + name.size(), number).ptr ==
        name.data() + name.size())
      found.push_back(number);
  }
  return found;
}

// The fields of /proc/PID/stat from the third on: the name before them may hold blanks.
std::vector<std::string> stat_fields(int pid) {
  const std::string text = contents(fmt::format("/proc/{}/stat", pid));
  std::vector<std::string> fields;
  const auto name_end = text.rfind(')');
  if (name_end == std::string::npos) return fields;
  std::istringstream rest(text.substr(name_end + 1));
  for (std::string field; rest >> field;) fields.push_back(field);
  return fields;
}

int parent_of(int pid) {
  const auto fields = stat_fields(pid);
  return fields.size() > 1 ? std::atoi(fields[1].c_str()) : 0;
}

void add_process(int pid, ProcessUsage& usage) {
  constexpr std::size_t utime = 11;  // of the fields from the third on: see proc(5)
  const auto fields = stat_fields(pid);
  if (fields.size() < utime + 4) return;
  const double tick_us = 1e6 / static_cast<double>(sysconf(_SC_CLK_TCK));
  const auto ticks = [&](std::size_t i) { return std::atof(fields[i].c_str()) * tick_us; };
  double threads_us = 0;
  for (const int thread : numeric_entries(fmt::format("/proc/{}/task", pid))) {
    const std::string at = fmt::format("/proc/{}/task/{}/", pid, thread);
    threads_us += std::atof(contents(at + "schedstat").c_str()) / 1e3;
    const std::string status = contents(at + "status");
    usage.voluntary += number_after(status, "\nvoluntary_ctxt_switches:");
    usage.involuntary += number_after(status, "nonvoluntary_ctxt_switches:");
  }
  // schedstat is exact but knows living threads only; stat knows the dead ones, in ticks.
  usage.cpu_us += std::max(threads_us, ticks(utime) + ticks(utime + 1));
  usage.cpu_us += ticks(utime + 2) + ticks(utime + 3);  // children that have been waited for
}

std::uint64_t rss_of(int pid) {
  const std::string rollup = contents(fmt::format("/proc/{}/smaps_rollup", pid));
  const std::uint64_t kib =
      rollup.empty() ? number_after(contents(fmt::format("/proc/{}/status", pid)), "VmRSS:")
                     : number_after(rollup, "\nRss:");
  return kib * 1024;
}

// The processes given and all that descend from them. By parent, for not every kernel lists
// children.
std::set<int> families_of(const std::vector<int>& pids) {
  std::map<int, std::vector<int>> children;
  for (const int pid : numeric_entries("/proc")) children[parent_of(pid)].push_back(pid);
  std::set<int> found;
  std::vector<int> to_visit = pids;
  while (!to_visit.empty()) {
    const int pid = to_visit.back();
    to_visit.pop_back();
    if (!found.insert(pid).second) continue;
    const auto& born = children[pid];
    to_visit.insert(to_visit.end(), born.begin(), born.end());
  }
  return found;
}

// The inodes of the sockets that listen on `address`, from the kernel's tables.
std::set<std::string> listening_inodes(const Address& address) {
  std::set<std::string> inodes;
  if (address.is_unix()) {
    std::istringstream lines(contents("/proc/net/unix"));
    for (std::string line; std::getline(lines, line);) {
      std::istringstream words(line);
      std::string number, references, protocol, flags, type, state, inode, path;
      words >> number >> references >> protocol >> flags >> type >> state >> inode >> path;
      constexpr std::string_view accepting = "00010000";
      if (path == address.text && flags == accepting) inodes.insert(inode);
    }
    return inodes;
  }
  const std::string port = fmt::format(":{:04X}", address.port());
  for (const char* table : {"/proc/net/tcp", "/proc/net/tcp6"}) {
    std::istringstream lines(contents(table));
    for (std::string line; std::getline(lines, line);) {
      std::istringstream words(line);
      std::string slot, local, remote, state, queues, timer, retries, uid, timeout, inode;
      words >> slot >> local >> remote >> state >> queues >> timer >> retries >> uid >> timeout >>
          inode;
      constexpr std::string_view listening = "0A";
      if (state == listening && local.ends_with(port)) inodes.insert(inode);
    }
  }
  return inodes;
}

bool holds_one_of(int pid, const std::set<std::string>& inodes) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(fmt::format("/proc/{}/fd", pid), error)) {
    const std::string link = fs::read_symlink(entry.path(), error);
    if (error || !link.starts_with("socket:[")) continue;
    if (inodes.contains(link.substr(8, link.size() - 9))) return true;
  }
  return false;
}

}  // namespace

ProcessUsage ProcessWatch::usage() const {
  ProcessUsage usage;
  for (const int pid : families_of(pids_)) add_process(pid, usage);
  return usage;
}

std::uint64_t ProcessWatch::rss_bytes() const {
  std::uint64_t sum = 0;
  for (const int pid : families_of(pids_)) sum += rss_of(pid);
  return sum;
}

std::vector<int> listeners_on(const Address& address) {
  if (!address.is_local()) return {};
  const auto inodes = listening_inodes(address);
  std::set<int> owners;
  if (inodes.empty()) return {};
  for (const int pid : numeric_entries("/proc"))
    if (holds_one_of(pid, inodes)) owners.insert(pid);
  std::vector<int> eldest;
  for (const int pid : owners)
    if (!owners.contains(parent_of(pid))) eldest.push_back(pid);
  return eldest;
}

}  // namespace pgweir::bench
