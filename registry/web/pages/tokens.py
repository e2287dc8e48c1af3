"""Service tokens of the person who is logged in."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from registry.accounts.models import Token
from registry.accounts.services.tokens import issue_token, revoke_token
from registry.web.attempt import attempt
from registry.web.rendering import page_of, posted, see_other
from registry.web.token_forms import TokenForm


@login_required
@never_cache
@require_http_methods(["GET", "POST"])
def index(request: HttpRequest) -> HttpResponse:
    """List tokens; a post issues one and shows its secret in the answer, this once."""
    form = TokenForm(posted(request))
    issued, status = None, 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            with attempt(request) as tried:
                issued = issue_token(owner=request.user, **form.cleaned_data)
                form = TokenForm()
            status = tried.status
    context = {
        "page": page_of(request, _visible(request), 25),
        "form": form,
        "issued": issued,
        "now": timezone.now(),
    }
    return render(request, "tokens/index.html", context, status=status)


@login_required
@require_POST
def revoke(request: HttpRequest, token_id: int) -> HttpResponse:
    with attempt(request):
        token = revoke_token(token_id=token_id, actor=request.user)
        messages.success(request, f"The token {token.name} is revoked.")
    return see_other(request, "tokens")


def _visible(request: HttpRequest):
    found = Token.objects.select_related("owner")
    return found if request.user.is_staff else found.filter(owner=request.user)
