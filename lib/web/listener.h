#pragma once

#include <Poco/Net/Context.h>
#include <Poco/Net/ServerSocket.h>
#include <Poco/Net/StreamSocket.h>
#include <sys/types.h>

#include <memory>
#include <mutex>
#include <optional>
#include <string>

// The sockets that the server accepts connections at: TCP, with or without TLS, and unix sockets,
// its own or the service manager's.
namespace usaged::web {

// Files in PEM; with both empty there is no TLS.
struct TlsFiles {
  std::string certificate;  // and those between it and its authority
  std::string key;
  bool operator==(const TlsFiles&) const = default;
};

// A certificate and its key, for connections from now on. Throws Error(kConfig) if they can't be
// read, don't belong together, or the key is open to everybody. nullptr without files.
Poco::Net::Context::Ptr load_tls(const TlsFiles& files);

// The certificate of the moment, which a reload exchanges.
class Tls {
 public:
  Poco::Net::Context::Ptr context() const {
    const std::lock_guard lock(mutex_);
    return context_;
  }
  void set(Poco::Net::Context::Ptr context) {
    const std::lock_guard lock(mutex_);
    context_ = std::move(context);
  }

 private:
  mutable std::mutex mutex_;
  Poco::Net::Context::Ptr context_;
};

// Each throws Error(kUnavailable) if there can be no such socket.
Poco::Net::ServerSocket listen_at(const std::string& address, int port,
                                  std::shared_ptr<const Tls> tls);
// At a path, which everybody may connect to: who they are is what the kernel says of them. A socket
// that is there and that nobody listens at any more is replaced, and nothing else is.
Poco::Net::ServerSocket listen_at_path(const std::string& path);
// A socket that listens already (sd_listen_fds(3)).
Poco::Net::ServerSocket listen_inherited(int fd, std::shared_ptr<const Tls> tls);

// Where a socket listens: an address, or a path.
struct ListenAddress {
  std::string address;  // empty for a unix socket
  int port = 0;
  std::string path;
};
ListenAddress address_of(const Poco::Net::ServerSocket& socket);

// The user at the other end of a unix socket (SO_PEERCRED, unix(7)); nullopt for TCP.
std::optional<uid_t> peer_of(const Poco::Net::StreamSocket& socket);

// What is wrong with the requests that have come on a connection of listen_...(); "": nothing.
const std::string& wrong_framing(const Poco::Net::StreamSocket& socket);

// Lets whoever waits for connections at a socket of listen_...() go on, from now on without a wait.
void wake_acceptor(const Poco::Net::ServerSocket& socket);

// Ends a connection whatever another thread is doing with it.
void shut_down(const Poco::Net::StreamSocket& socket);

}  // namespace usaged::web
