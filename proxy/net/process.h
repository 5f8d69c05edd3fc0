// What a process owes its system before it serves: descriptors, the background, a pid file, a
// modest user.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace pgweir {

struct DescriptorLimit {
  std::uint64_t soft = 0;
  std::uint64_t hard = 0;
};

// Raises the soft limit to the hard one; returns what holds now, for the line "kernel file
// descriptor limit".
DescriptorLimit raise_descriptor_limit();

// Goes into the background: two forks, a session of its own, /dev/null for the three standard
// descriptors. Returns in the grandchild only, with an error text or nothing; the other two leave.
// Before any thread is started. With `-d`, check the pid file first: afterwards nobody sees what is
// on stderr.
std::string daemonize();

// The pid file, removed when its owner dies in the process that wrote it.
class PidFile {
 public:
  PidFile() = default;
  PidFile(PidFile&& other) noexcept;
  PidFile& operator=(PidFile&&) = delete;
  ~PidFile();

  // "pidfile 'X' exists, another instance running?", or nothing. The file of a dead process is
  // removed; then `notes` gains a line for the log.
  static std::string check(const std::string& path, std::vector<std::string>& notes);
  // Checks, and writes our number. Returns an error text or nothing.
  std::string write(const std::string& path, std::vector<std::string>& notes);
  // Removes it now, for another process to write its own.
  void release();

 private:
  std::string path_;
  int pid_ = 0;
};

// Becomes `name` for good, with its groups. Returns an error text or nothing. `-u` and the setting
// `user`.
std::string switch_user(const std::string& name);

// "pgweir should not run as root" if we are root now, else nothing.
std::string refuse_root();

}  // namespace pgweir
