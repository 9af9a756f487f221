#pragma once

#include <Poco/Net/SocketAddress.h>
#include <Poco/Net/StreamSocket.h>

#include <array>
#include <cstddef>
#include <string>

namespace usaged::support {

// Sends the bytes as they are and reads until the server closes or is silent for so many seconds.
// With `last`, the server sees that no more will come.
inline std::string raw_http(int port, const std::string& bytes, bool last = false,
                            int patience = 1) {
  Poco::Net::StreamSocket socket(
      Poco::Net::SocketAddress("127.0.0.1", static_cast<Poco::UInt16>(port)));
  socket.setReceiveTimeout(Poco::Timespan(patience, 0));
  socket.sendBytes(bytes.data(), static_cast<int>(bytes.size()));
  if (last) socket.shutdownSend();
  std::string reply;
  std::array<char, 65536> buffer{};
  try {
    for (int n = 0; (n = socket.receiveBytes(buffer.data(), buffer.size())) > 0;) {
      reply.append(buffer.data(), static_cast<std::size_t>(n));
    }
  } catch (const Poco::Exception&) {  // NOLINT(bugprone-empty-catch): silence or a reset ends it
  }
  return reply;
}

// The body of a GET; with `head`, the whole reply.
inline std::string get(int port, const std::string& target, bool head = false,
                       const std::string& more_headers = "") {
  const std::string reply =
      raw_http(port,
               "GET " + target + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" +
                   more_headers + "\r\n",
               false, 60);
  const std::size_t end = reply.find("\r\n\r\n");
  return head || end == std::string::npos ? reply : reply.substr(end + 4);
}

inline int status_of(const std::string& reply) {
  return reply.size() > 12 && reply.starts_with("HTTP/1.1 ") ? std::stoi(reply.substr(9, 3)) : 0;
}

}  // namespace usaged::support
