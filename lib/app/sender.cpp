#include "app/sender.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/text.h"
#include "net/mail.h"
#include "net/sns.h"

namespace usaged::app {
namespace {

using core::ReceiverKind;
using json = nlohmann::ordered_json;

std::string secret_in(const std::string& file, const net::Environment& environment) {
  if (file.empty()) return "";
  return std::string(core::trim(core::read_file(net::path_of(file, environment), 65536)));
}

}  // namespace

Sender::Sender(const core::Receiver& receiver, World world)
    : receiver_(receiver), world_(std::move(world)), http_(world_.stop.flag(), "inspector-usaged") {
  if (receiver_.kind == ReceiverKind::kSns) {
    aws_ = std::make_unique<Aws>(world_);
  }
}

std::string Sender::url() const {
  if (receiver_.url_file.empty()) return receiver_.url;
  std::string url = secret_in(receiver_.url_file, world_.environment);
  try {
    if (receiver_.kind == ReceiverKind::kEmail) {
      if (!url.starts_with("smtp://") && !url.starts_with("smtps://")) {
        throw core::Error(core::ErrorCode::kInvalid, "not a mail server");
      }
    } else {
      core::check_url(url);
    }
  } catch (const core::Error& e) {
    throw core::Error(core::ErrorCode::kConfig, "{}: {}", receiver_.url_file, e.what());
  }
  return url;
}

net::DeliveryResult Sender::send(const std::string& uid, const std::string& group_key,
                                 const std::string& body) {
  if (receiver_.kind == ReceiverKind::kSns) return publish(uid, group_key, body);
  if (receiver_.kind == ReceiverKind::kEmail) return mail(uid, body);
  return net::post_message(
      http_, {receiver_, url(), secret_in(receiver_.secret_file, world_.environment), uid, body,
              world_.clock.now()});
}

net::DeliveryResult Sender::ping(const std::string& failure) {
  return net::ping(http_, url(), receiver_.ca_file, failure);
}

net::DeliveryResult Sender::mail(const std::string& uid, const std::string& body) {
  const json parts = json::parse(body);
  net::Mail mail;
  mail.url = url();
  mail.tls = receiver_.tls;
  mail.ca_file = receiver_.ca_file;
  mail.username = receiver_.username;
  mail.password = secret_in(receiver_.secret_file, world_.environment);
  mail.from = receiver_.from;
  mail.to = receiver_.to;
  mail.subject = parts.value("subject", "");
  mail.text = parts.value("text", "");
  mail.html = parts.value("html", "");
  mail.id = uid;
  mail.now = world_.clock.now();
  return net::send_mail(mail, world_.stop.flag());
}

net::DeliveryResult Sender::publish(const std::string& uid, const std::string& group_key,
                                    const std::string& body) {
  core::Target target;
  target.name = receiver_.name;
  target.credentials = receiver_.credentials;
  target.regions = {core::region_of_topic(receiver_.topic_arn)};
  const Aws::Call call{target, target.regions.front(), {}, false, false, aws_->deadline()};
  const json parts = json::parse(body);
  net::DeliveryResult result;
  try {
    const Aws::Lease lease = aws_->connect();
    net::AwsClient client = aws_->client("sns", call, lease);
    net::CallStats stats;
    result.answer = "MessageId " + net::publish(client,
                                                {receiver_.topic_arn, parts.value("subject", ""),
                                                 parts.value("message", ""), uid,
                                                 core::hex(core::sha256(group_key)).substr(0, 32)},
                                                stats);
    result.delivered = true;
  } catch (const net::AwsError& e) {
    result.error = e.what();
    result.answer = e.what();
    // What AWS refuses for good may be allowed once somebody has seen to it.
    result.retry = e.outcome() != core::Outcome::kInvalid;
  }
  return result;
}

}  // namespace usaged::app
