#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

namespace usaged::support {

// A program that was started, its standard output and error in one pipe.
class Process {
 public:
  explicit Process(const std::vector<std::string>& command,
                   const std::map<std::string, std::string>& environment = {}) {
    std::array<int, 2> out{};
    if (pipe(out.data()) != 0) std::abort();
    pid_ = fork();
    if (pid_ == 0) {
      dup2(out[1], STDOUT_FILENO);
      dup2(out[1], STDERR_FILENO);
      close(out[0]);
      close(out[1]);
      for (const auto& [name, value] : environment) setenv(name.c_str(), value.c_str(), 1);
      std::vector<char*> arguments;
      for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
      arguments.push_back(nullptr);
      execvp(arguments[0], arguments.data());
      _exit(127);
    }
    close(out[1]);
    out_ = out[0];
  }
  ~Process() {
    if (!waited_) {
      signal(SIGKILL);
      wait();
    }
    close(out_);
  }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  pid_t pid() const { return pid_; }
  void signal(int number) const { kill(pid_, number); }

  // Reads on until the text is there; false if the program ends, or after 30 seconds.
  bool read_until(const std::string& text) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds{30};
    while (output_.find(text) == std::string::npos) {
      pollfd waiting{out_, POLLIN, 0};
      if (std::chrono::steady_clock::now() > end) return false;
      if (::poll(&waiting, 1, 100) > 0 && !read_some()) return false;
    }
    return true;
  }

  // Reads to the end and waits; the exit code, or minus the signal that ended it.
  int wait() {
    while (read_some()) {
    }
    int status = 0;
    waitpid(pid_, &status, 0);
    waited_ = true;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }

  const std::string& output() const { return output_; }

 private:
  bool read_some() {
    std::array<char, 65536> buffer{};
    const ssize_t n = read(out_, buffer.data(), buffer.size());
    if (n > 0) output_.append(buffer.data(), static_cast<std::size_t>(n));
    return n > 0;
  }

  pid_t pid_ = -1;
  int out_ = -1;
  bool waited_ = false;
  std::string output_;
};

// A port of loopback that was free a moment ago, for a program that can't choose one itself.
inline int free_port() {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  if (bind(socket, reinterpret_cast<sockaddr*>(&address), length) != 0 ||
      getsockname(socket, reinterpret_cast<sockaddr*>(&address), &length) != 0) {
    std::abort();
  }
  close(socket);
  return ntohs(address.sin_port);
}

struct Ran {
  int code = 0;
  std::string output;
};

inline Ran run(const std::vector<std::string>& command,
               const std::map<std::string, std::string>& environment = {}) {
  Process process(command, environment);
  const int code = process.wait();
  return {code, process.output()};
}

}  // namespace usaged::support
