"""A mail server with TLS: smtp_server.py CERTIFICATE KEY FOLDER

Takes mail by TLS and by STARTTLS, from the user "inspector" with the password "right", and writes each
to FOLDER/N.json. Prints "tls PORT starttls PORT".
"""
import asyncio
import email
import email.policy
import json
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

certificate, key, folder = sys.argv[1:]
context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
context.load_cert_chain(certificate, key)
received = 0


def authenticate(server, session, envelope, mechanism, data):
    good = isinstance(data, LoginPassword) and data.login == b"inspector" and data.password == b"right"
    if good:
        session.user = data.login.decode()
    return AuthResult(success=good, handled=False)


class Handler:
    async def handle_DATA(self, server, session, envelope):
        global received
        received += 1
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        with open(f"{folder}/{received}.json", "w") as out:
            json.dump(
                {
                    "from": envelope.mail_from,
                    "to": envelope.rcpt_tos,
                    "user": getattr(session, "user", None),
                    "headers": dict(message.items()),
                    "type": message.get_content_type(),
                    "parts": [
                        {"type": part.get_content_type(), "text": part.get_content()}
                        for part in message.iter_parts()
                    ],
                },
                out,
            )
        return "250 kept"


async def serve():
    loop = asyncio.get_running_loop()
    common = {"auth_required": True, "authenticator": authenticate, "loop": loop}
    tls = await loop.create_server(
        lambda: SMTP(Handler(), auth_require_tls=False, **common), "localhost", 0, ssl=context
    )
    starttls = await loop.create_server(
        lambda: SMTP(Handler(), tls_context=context, require_starttls=True, **common), "localhost", 0
    )
    ports = [server.sockets[0].getsockname()[1] for server in (tls, starttls)]
    print("tls {} starttls {}".format(*ports), flush=True)
    await asyncio.Event().wait()


asyncio.run(serve())
