#include "net/command.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <system_error>

#include "core/error.h"

namespace usaged::net {
namespace {

using core::Error;
using core::ErrorCode;
using std::chrono::steady_clock;

constexpr int kLookEveryMs = 50;

class Pipe {
 public:
  Pipe() {
    if (pipe2(ends_.data(), O_CLOEXEC) != 0) {
      throw Error(ErrorCode::kRemote, "no pipe can be opened: {}",
                  std::system_category().message(errno));
    }
  }
  ~Pipe() {
    for (const int end : ends_) {
      if (end >= 0) close(end);
    }
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  int read_end() const { return ends_[0]; }
  int write_end() const { return ends_[1]; }
  void close_write_end() {
    close(ends_[1]);
    ends_[1] = -1;
  }

 private:
  std::array<int, 2> ends_{-1, -1};
};

// In a process group of its own, with signals as a new program expects them.
pid_t spawn(const std::string& command, int output) {
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&files, output, STDOUT_FILENO);
  posix_spawn_file_actions_addopen(&files, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_addclosefrom_np(&files, STDERR_FILENO + 1);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigemptyset(&none);
  sigset_t defaults;
  sigemptyset(&defaults);
  sigaddset(&defaults, SIGPIPE);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &defaults);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes,
                           POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  std::string shell = "sh";
  std::string flag = "-c";
  std::string text = command;
  const std::array<char*, 4> arguments{shell.data(), flag.data(), text.data(), nullptr};
  pid_t pid = -1;
  const int error = posix_spawn(&pid, "/bin/sh", &files, &attributes, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&files);
  posix_spawnattr_destroy(&attributes);
  if (error != 0) {
    throw Error(ErrorCode::kRemote, "the shell can't be started: {}",
                std::system_category().message(error));
  }
  return pid;
}

}  // namespace

std::string run_command(const std::string& command, const CommandLimits& limits) {
  Pipe pipe;
  const pid_t pid = spawn(command, pipe.write_end());
  pipe.close_write_end();
  const auto deadline = steady_clock::now() + limits.timeout;
  std::string output;
  std::string problem;
  while (problem.empty()) {
    pollfd waiting{pipe.read_end(), POLLIN, 0};
    const int ready = poll(&waiting, 1, kLookEveryMs);
    if (limits.stop != nullptr && limits.stop->load()) {
      problem = "was stopped";
    } else if (steady_clock::now() > deadline) {
      problem = fmt::format("did not end within {} s", limits.timeout.count() / 1000);
    } else if (ready > 0) {
      std::array<char, 4096> buffer{};
      const ssize_t n = read(pipe.read_end(), buffer.data(), buffer.size());
      if (n == 0) break;
      if (n < 0 && errno != EINTR) {
        problem = fmt::format("can't be read: {}", std::system_category().message(errno));
      } else if (n > 0) {
        output.append(buffer.data(), static_cast<std::size_t>(n));
        if (output.size() > limits.most_bytes) {
          problem = fmt::format("wrote more than {} bytes", limits.most_bytes);
        }
      }
    }
  }
  // Its output has ended, but it may not have.
  int status = 0;
  while (problem.empty() && waitpid(pid, &status, WNOHANG) == 0) {
    if (limits.stop != nullptr && limits.stop->load()) {
      problem = "was stopped";
    } else if (steady_clock::now() > deadline) {
      problem = fmt::format("did not end within {} s", limits.timeout.count() / 1000);
    } else {
      poll(nullptr, 0, 5);
    }
  }
  if (!problem.empty()) {
    kill(-pid, SIGKILL);
    waitpid(pid, &status, 0);
  } else if (WIFSIGNALED(status)) {
    problem = fmt::format("was ended by signal {}", WTERMSIG(status));
  } else if (WEXITSTATUS(status) != 0) {
    problem = fmt::format("exited with {}", WEXITSTATUS(status));
  }
  if (!problem.empty()) throw Error(ErrorCode::kRemote, "{}", problem);
  return output;
}

}  // namespace usaged::net
