"""Programs come with ``Authorization: Bearer grt_...``; sessions are not taken here."""

from django.contrib.auth.models import AbstractUser
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from registry.accounts.models import Token
from registry.accounts.services.tokens import check_token


class TokenAuthentication(BaseAuthentication):
    """Sets the token's owner as the user and the token as ``request.auth``."""

    def authenticate(self, request: Request) -> tuple[AbstractUser, Token] | None:
        header = request.headers.get("Authorization")
        if header is None:
            return None
        kind, _, presented = header.partition(" ")
        token = check_token(presented.strip()) if kind.lower() == "bearer" else None
        if token is None:
            raise AuthenticationFailed("the token is unknown, expired or revoked")
        return token.owner, token

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"
