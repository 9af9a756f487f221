#include "web/listener.h"

#include <Poco/AutoPtr.h>
#include <Poco/Exception.h>
#include <Poco/Net/NetException.h>
#include <Poco/Net/SSLException.h>
#include <Poco/Net/SSLManager.h>
#include <Poco/Net/SecureStreamSocketImpl.h>
#include <Poco/Net/ServerSocketImpl.h>
#include <Poco/Net/SocketAddress.h>
#include <Poco/Net/StreamSocketImpl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "core/error.h"
#include "core/text.h"
#include "web/framing.h"

namespace usaged::web {
namespace {

using core::Error;
using core::ErrorCode;

constexpr int kBacklog = 128;

int new_eventfd() {
  const int fd = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (fd < 0) throw Error(ErrorCode::kUnavailable, "eventfd: {}", core::errno_text(errno));
  return fd;
}

// What a connection has, whatever its socket is.
struct Framed {
  Framing framing;
};

// A socket that reads along.
template <typename Socket>
class FramedSocket : public Socket, public Framed {
 public:
  template <typename... Arguments>
  explicit FramedSocket(Arguments&&... arguments) : Socket(std::forward<Arguments>(arguments)...) {}
  using Socket::receiveBytes;
  int receiveBytes(void* buffer, int length, int flags) override {
    const int count = Socket::receiveBytes(buffer, length, flags);
    if (count > 0) framing.feed({static_cast<char*>(buffer), static_cast<std::size_t>(count)});
    return count;
  }
  // Poco's makes and closes an epoll(7) for each call.
  bool poll(const Poco::Timespan& timeout, int mode) override {
    pollfd fd{this->sockfd(), 0, 0};
    if (fd.fd == POCO_INVALID_SOCKET) throw Poco::Net::InvalidSocketException();
    if ((mode & Socket::SELECT_READ) != 0) fd.events |= POLLIN;
    if ((mode & Socket::SELECT_WRITE) != 0) fd.events |= POLLOUT;
    int ready = 0;
    do {
      ready = ::poll(&fd, 1, static_cast<int>(timeout.totalMilliseconds()));
    } while (ready < 0 && errno == EINTR);
    if (ready < 0) Socket::error(errno);
    return ready > 0;
  }
};

using PlainConnection = FramedSocket<Poco::Net::StreamSocketImpl>;

class TlsConnection : public FramedSocket<Poco::Net::SecureStreamSocketImpl> {
 public:
  TlsConnection(int fd, const Poco::Net::Context::Ptr& context)
      : FramedSocket(
            Poco::AutoPtr<Poco::Net::StreamSocketImpl>(new Poco::Net::StreamSocketImpl(fd)),
            context) {
    acceptSSL();
  }
};

constexpr int kShortagePauseMs = 100;

// Wraps each connection in TLS as long as there is a certificate. The handshake is part of the
// first read, so that it is the connection's thread that waits for it.
class Listener : public Poco::Net::ServerSocketImpl {
 public:
  explicit Listener(std::shared_ptr<const Tls> tls) : tls_(std::move(tls)) {}
  Listener(int fd, std::shared_ptr<const Tls> tls) : tls_(std::move(tls)) { reset(fd); }
  ~Listener() override { ::close(wake_); }
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  // Poco's server looks four times a second whether it has to stop; here it waits until wake().
  bool poll(const Poco::Timespan&, int) override {
    std::array<pollfd, 2> fds{{{sockfd(), POLLIN, 0}, {wake_, POLLIN, 0}}};
    ::poll(fds.data(), fds.size(), -1);
    return fds[0].revents != 0 && fds[1].revents == 0;
  }
  void wake() const { ::eventfd_write(wake_, 1); }

  Poco::Net::SocketImpl* acceptConnection(Poco::Net::SocketAddress& client) override {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    auto* const from = reinterpret_cast<sockaddr*>(&address);
    int fd = -1;
    do {
      fd = ::accept4(sockfd(), from, &size, SOCK_CLOEXEC);
    } while (fd < 0 && errno == EINTR);
    if (fd < 0) {
      const int reason = errno;
      if (is_shortage(reason)) pause();
      error(reason);
    }
    client = Poco::Net::SocketAddress(from, size);
    const auto context = tls_ ? tls_->context() : nullptr;
    if (context.isNull()) return new PlainConnection(fd);
    return new TlsConnection(fd, context);
  }

 private:
  // What can't be accepted stays there, and would be tried again at once, in vain.
  static bool is_shortage(int reason) {
    return reason == EMFILE || reason == ENFILE || reason == ENOBUFS || reason == ENOMEM;
  }
  void pause() const {
    pollfd wake{wake_, POLLIN, 0};
    ::poll(&wake, 1, kShortagePauseMs);
  }

  std::shared_ptr<const Tls> tls_;
  int wake_ = new_eventfd();
};

// ServerSocket of an own implementation.
struct Listening : Poco::Net::ServerSocket {
  explicit Listening(Listener* listener) : ServerSocket(listener, true) {}
};

sockaddr_un unix_address(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    throw Error(ErrorCode::kConfig, "http.socket: {}: a path of a socket has {} bytes at most",
                path, sizeof address.sun_path - 1);
  }
  std::memcpy(address.sun_path, path.c_str(), path.size());
  return address;
}

// True if there is a socket at the address that nobody accepts connections at.
bool is_left_over(const sockaddr_un& address) {
  struct stat info {};
  if (::lstat(address.sun_path, &info) != 0 || !S_ISSOCK(info.st_mode)) return false;
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  const bool refused =
      ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 &&
      errno == ECONNREFUSED;
  ::close(fd);
  return refused;
}

}  // namespace

Poco::Net::Context::Ptr load_tls(const TlsFiles& files) {
  if (files.certificate.empty()) return nullptr;
  struct stat info {};
  if (::stat(files.key.c_str(), &info) != 0) {
    throw Error(ErrorCode::kConfig, "http.tls.key: {}: {}", files.key, core::errno_text(errno));
  }
  if ((info.st_mode & S_IRWXO) != 0) {
    throw Error(ErrorCode::kConfig, "http.tls.key: {}: is open to everybody; chmod o= it",
                files.key);
  }
  try {
    Poco::Net::initializeSSL();
    Poco::Net::Context::Params params;
    params.certificateFile = files.certificate;
    params.privateKeyFile = files.key;
    params.verificationMode = Poco::Net::Context::VERIFY_NONE;  // clients have tokens
    params.cipherList = "HIGH:!aNULL:!kRSA:!SHA1";
    Poco::Net::Context::Ptr context =
        new Poco::Net::Context(Poco::Net::Context::TLS_SERVER_USE, params);
    context->requireMinimumProtocol(Poco::Net::Context::PROTO_TLSV1_2);
    if (SSL_CTX_check_private_key(context->sslContext()) != 1) {
      ERR_clear_error();
      throw Error(ErrorCode::kConfig, "http.tls: {} is not the key of {}", files.key,
                  files.certificate);
    }
    return context;
  } catch (const Poco::Exception& e) {
    throw Error(ErrorCode::kConfig, "http.tls: {} and {}: {}", files.certificate, files.key,
                e.displayText());
  }
}

Poco::Net::ServerSocket listen_at(const std::string& address, int port,
                                  std::shared_ptr<const Tls> tls) {
  try {
    Listening socket(new Listener(std::move(tls)));
    socket.bind(Poco::Net::SocketAddress(address, static_cast<Poco::UInt16>(port)), true);
    socket.listen(kBacklog);
    return socket;
  } catch (const Poco::Exception& e) {
    throw Error(ErrorCode::kUnavailable,
                "can't listen on {}:{}: {}; is another instance running, or another program there? "
                "(http.port)",
                address, port, e.displayText());
  }
}

Poco::Net::ServerSocket listen_at_path(const std::string& path) {
  const sockaddr_un address = unix_address(path);
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) throw Error(ErrorCode::kUnavailable, "http.socket: {}", core::errno_text(errno));
  Listening socket(new Listener(fd, nullptr));  // closes it
  if (is_left_over(address)) ::unlink(path.c_str());
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::chmod(path.c_str(), 0666) != 0 || ::listen(fd, kBacklog) != 0) {
    throw Error(ErrorCode::kUnavailable, "can't listen on {}: {} (http.socket)", path,
                core::errno_text(errno));
  }
  return socket;
}

Poco::Net::ServerSocket listen_inherited(int fd, std::shared_ptr<const Tls> tls) {
  return Listening(new Listener(fd, std::move(tls)));
}

ListenAddress address_of(const Poco::Net::ServerSocket& socket) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (::getsockname(socket.impl()->sockfd(), reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    throw Error(ErrorCode::kUnavailable, "a socket to listen at is none: {}",
                core::errno_text(errno));
  }
  if (address.ss_family == AF_UNIX) {
    return {"", 0, reinterpret_cast<const sockaddr_un*>(&address)->sun_path};
  }
  const Poco::Net::SocketAddress known(reinterpret_cast<const sockaddr*>(&address), size);
  return {known.host().toString(), known.port(), ""};
}

std::optional<uid_t> peer_of(const Poco::Net::StreamSocket& socket) {
  const int fd = socket.impl()->sockfd();
  int domain = 0;
  socklen_t size = sizeof domain;
  if (::getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) != 0 || domain != AF_UNIX) {
    return std::nullopt;
  }
  ucred peer{};
  size = sizeof peer;
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return std::nullopt;
  return peer.uid;
}

const std::string& wrong_framing(const Poco::Net::StreamSocket& socket) {
  return dynamic_cast<const Framed&>(*socket.impl()).framing.wrong();
}

void wake_acceptor(const Poco::Net::ServerSocket& socket) {
  dynamic_cast<const Listener&>(*socket.impl()).wake();
}

void shut_down(const Poco::Net::StreamSocket& socket) {
  // Below TLS, whose state belongs to the thread that reads and writes.
  ::shutdown(socket.impl()->sockfd(), SHUT_RDWR);
}

}  // namespace usaged::web
