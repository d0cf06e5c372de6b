"""A mail server for the tests of e-mail: aiosmtpd, and what it was told.

    server.py PORT OUT [--tls CERTIFICATE [--implicit]] [--login NAME PASSWORD]

Each mail that is taken becomes a line of JSON in OUT, as Python's own parser
reads it. Recipients say what happens: `never@…` is refused for good,
`later@…` has the first two attempts with each mail put off.
"""

import argparse
import asyncio
import collections
import email
import email.policy
import json
import ssl

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword


def described(part):
    if part.is_multipart():
        return {"type": part.get_content_type(), "parts": [described(p) for p in part.iter_parts()]}
    content = part.get_content()
    if isinstance(content, bytes):
        content = content.hex()
    return {"type": part.get_content_type(), "id": part["Content-ID"], "content": content}


class Handler:
    def __init__(self, out):
        self.out = out
        self.attempts = collections.Counter()

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("never@"):
            return "550 5.1.1 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        self.attempts[mail["Message-ID"]] += 1
        put_off = any(to.startswith("later@") for to in envelope.rcpt_tos)
        puts_off = put_off and self.attempts[mail["Message-ID"]] <= 2
        record = {
            "taken": not puts_off,
            "tls": session.ssl is not None,
            "login": session.authenticated,
            "recipients": envelope.rcpt_tos,
            "headers": {name: str(value) for name, value in mail.items()},
            "body": described(mail),
        }
        with open(self.out, "a") as out:
            out.write(json.dumps(record) + "\n")
        return "451 4.7.1 try again later" if puts_off else "250 OK"


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("out")
    parser.add_argument("--tls")
    parser.add_argument("--implicit", action="store_true")
    parser.add_argument("--login", nargs=2)
    options = parser.parse_args()
    context = None
    if options.tls:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(options.tls)

    def authenticated(server, session, envelope, mechanism, data):
        pair = [data.login.decode(), data.password.decode()] if isinstance(data, LoginPassword) else None
        # Not handled: the server itself answers the client.
        return AuthResult(success=pair == options.login, handled=False)

    handler = Handler(options.out)

    def smtp():
        return SMTP(
            handler,
            hostname="mail.test",
            tls_context=None if options.implicit else context,
            require_starttls=context is not None and not options.implicit,
            authenticator=authenticated,
            auth_required=options.login is not None,
            auth_require_tls=context is not None,
        )

    server = await asyncio.get_running_loop().create_server(
        smtp, "127.0.0.1", options.port, ssl=context if options.implicit else None
    )
    await server.serve_forever()


asyncio.run(main())
