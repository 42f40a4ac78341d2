"""Users, tokens and the audit trail, for administrators.

Nobody gives away a right that they have not themselves.
"""

from collections.abc import Callable, Iterable
from datetime import datetime
from http import HTTPStatus

from pydantic import SecretStr
from starlette.requests import Request
from starlette.responses import Response

from ivr.ledger import api_tokens, people
from ivr.ledger.audit import find_audit
from ivr.ledger.database import Database
from ivr.monitor import models_people as models
from ivr.monitor.bodies import read_json
from ivr.monitor.credentials import Passwords
from ivr.monitor.endpoint import Endpoint, json_response
from ivr.monitor.principal import RIGHTS, Role, Scope, principal_of
from ivr.monitor.problems import ProblemError, WrongParameter
from ivr.monitor.queries import AuditQuery, NoQuery, read_query

_USERS = "/api/v1/users"
_TOKENS = "/api/v1/tokens"
_BODY_PROBLEMS = (413, 415)


class PeopleApi:
    """`/users`, `/tokens` and `/audit`."""

    def __init__(
        self,
        database: Database,
        now: Callable[[], datetime],
        passwords: Passwords,
        shortest_password: int,
    ) -> None:
        self._database = database
        self._now = now
        self._passwords = passwords
        self._shortest = shortest_password

    def endpoints(self) -> list[Endpoint]:
        """Return the table of this class."""
        return [
            Endpoint(
                _USERS, "listUsers", "Users", self._users, models.Users, scope=Scope.USERS
            ),
            Endpoint(
                _USERS,
                "addUser",
                "Add a user",
                self._add_user,
                models.User,
                method="POST",
                status=201,
                problems=(409, *_BODY_PROBLEMS),
                scope=Scope.USERS,
                body=models.NewUser,
            ),
            Endpoint(
                _USERS + "/{id}",
                "changeUser",
                "Change, disable or enable a user",
                self._change_user,
                models.User,
                method="PATCH",
                problems=(404, *_BODY_PROBLEMS),
                scope=Scope.USERS,
                body=models.UserChange,
            ),
            Endpoint(
                _TOKENS, "listTokens", "Tokens", self._tokens, models.Tokens, scope=Scope.USERS
            ),
            Endpoint(
                _TOKENS,
                "addToken",
                "Make a token; it is shown this once",
                self._add_token,
                models.MadeToken,
                method="POST",
                status=201,
                problems=(404, *_BODY_PROBLEMS),
                scope=Scope.USERS,
                body=models.NewToken,
            ),
            Endpoint(
                _TOKENS + "/{id}",
                "revokeToken",
                "End a token at once, and the streams that were opened with it",
                self._revoke_token,
                models.Nothing,
                method="DELETE",
                status=204,
                problems=(404,),
                scope=Scope.USERS,
            ),
            Endpoint(
                "/api/v1/audit",
                "listAudit",
                "The audit trail, newest first",
                self._audit,
                models.Acts,
                query=AuditQuery,
                scope=Scope.USERS,
            ),
        ]

    async def _users(self, request: Request) -> Response:
        read_query(NoQuery, request)
        found = await people.list_users(self._database)
        return json_response(models.Users(items=[_user(one) for one in found]))

    async def _add_user(self, request: Request) -> Response:
        read_query(NoQuery, request)
        asked = await read_json(models.NewUser, request)
        _within_own(request, RIGHTS[asked.role])
        new = people.NewUser(
            **asked.model_dump(exclude={"password"}),
            password_hash=await self._hash(asked.password),
        )
        try:
            user = await people.add_user(self._database, self._now, _actor(request), new)
        except people.LoginTakenError as error:
            raise ProblemError(HTTPStatus.CONFLICT, f"{error}.") from None
        return json_response(_user(user), HTTPStatus.CREATED)

    async def _change_user(self, request: Request) -> Response:
        read_query(NoQuery, request)
        asked = await read_json(models.UserChange, request)
        user_id = request.path_params["id"]
        user = await people.find_user(self._database, user_id=user_id)
        if user is None:
            raise _no_user()
        _within_own(request, RIGHTS[Role(user.role)])
        changes = asked.model_dump(
            include={"name", "role", "language", "phone"}, exclude_none=True
        )
        if asked.role is not None:
            _within_own(request, RIGHTS[asked.role])
        if asked.password is not None:
            changes["password_hash"] = await self._hash(asked.password)
        if asked.disabled is not None:
            changes["disabled_at"] = self._now() if asked.disabled else None
        if asked.second_factor is not None:
            changes |= people.NO_SECOND_FACTOR
        if changes:
            changed = await people.change_user(
                self._database, self._now, _actor(request), user_id, changes
            )
            user = changed or user
        return json_response(_user(user))

    async def _tokens(self, request: Request) -> Response:
        read_query(NoQuery, request)
        found = await api_tokens.list_tokens(self._database)
        return json_response(
            models.Tokens(items=[models.Token.model_validate(one) for one in found])
        )

    async def _add_token(self, request: Request) -> Response:
        read_query(NoQuery, request)
        asked = await read_json(models.NewToken, request)
        _within_own(request, asked.scopes)
        if asked.user_id is not None:
            user = await people.find_user(self._database, user_id=asked.user_id)
            if user is None:
                raise _no_user()
        if asked.expires_at is not None and asked.expires_at <= self._now():
            raise _wrong("expires_at", "it is past already")
        token, secret = await api_tokens.add_token(
            self._database, self._now, _actor(request), **asked.model_dump()
        )
        kept = models.Token.model_validate(token).model_dump()
        return json_response(models.MadeToken(**kept, token=secret), HTTPStatus.CREATED)

    async def _revoke_token(self, request: Request) -> Response:
        read_query(NoQuery, request)
        ended = await api_tokens.revoke_token(
            self._database, self._now, _actor(request), request.path_params["id"]
        )
        if not ended:
            raise ProblemError(HTTPStatus.NOT_FOUND, "There is no live token with this id.")
        return Response(status_code=HTTPStatus.NO_CONTENT)

    async def _audit(self, request: Request) -> Response:
        asked = read_query(AuditQuery, request)
        found = await find_audit(
            self._database, before=asked.before, actor=asked.actor, limit=asked.limit
        )
        return json_response(
            models.Acts(items=[models.Act.model_validate(one) for one in found])
        )

    async def _hash(self, password: SecretStr) -> str:
        given = password.get_secret_value()
        if len(given) < self._shortest:
            raise _wrong("password", f"at least {self._shortest} characters")
        return await self._passwords.hash(given)


def _user(user: people.User) -> models.User:
    return models.User(
        id=user.id,
        login=user.login,
        name=user.name,
        role=Role(user.role),
        language=user.language,
        phone=user.phone,
        has_password=user.password_hash is not None,
        has_second_factor=user.totp_used is not None,
        created_at=user.created_at,
        disabled_at=user.disabled_at,
    )


def _actor(request: Request) -> str:
    return principal_of(request).actor


def _within_own(request: Request, scopes: Iterable[Scope]) -> None:
    for scope in sorted(scopes):
        principal_of(request).require(scope)


def _no_user() -> ProblemError:
    return ProblemError(HTTPStatus.NOT_FOUND, "There is no user with this id.")


def _wrong(parameter: str, detail: str) -> ProblemError:
    wrong = WrongParameter(parameter=parameter, detail=detail)
    return ProblemError(
        HTTPStatus.BAD_REQUEST, f"The body cannot be used: see {parameter}.", errors=[wrong]
    )
