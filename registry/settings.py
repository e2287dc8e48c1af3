"""Settings by environment; every variable is listed in docs/deployment.md."""

import os
from pathlib import Path

from compat.verdict import Outcome
from registry.core import env
from registry.core.secrets import secret

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

BASE_DIR = Path(__file__).resolve().parent.parent
REGISTRY_DATA_DIR = Path(env.text("REGISTRY_DATA_DIR", str(BASE_DIR / "var"))).resolve()
REGISTRY_DATA_DIR.mkdir(parents=True, exist_ok=True, mode=0o700)

# Web
DEBUG = env.flag("DEBUG", False)
SECRET_KEY = env.text("SECRET_KEY", "") or secret(REGISTRY_DATA_DIR, "secret_key")
ALLOWED_HOSTS = env.words("ALLOWED_HOSTS", "127.0.0.1,localhost,[::1]")
CSRF_TRUSTED_ORIGINS = env.words("CSRF_TRUSTED_ORIGINS", "")
ROOT_URLCONF = "registry.urls"
WSGI_APPLICATION = "registry.wsgi.application"
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_htmx",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "registry.core",
    "registry.audit",
    "registry.accounts",
    "registry.notify",
    "registry.catalog",
    "registry.evaluation",
    "registry.galleries",
    "registry.upgrades",
    "registry.api",
    "registry.web",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "registry.web.middleware.content_security_policy",
    "registry.web.middleware.DomainErrors",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": False,
        "OPTIONS": {
            "loaders": ["django.template.loaders.filesystem.Loader"]
            if DEBUG
            else [
                (
                    "django.template.loaders.cached.Loader",
                    ["django.template.loaders.filesystem.Loader"],
                )
            ],
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
            "builtins": ["registry.web.templatetags.registry_ui"],
        },
    }
]
STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "registry" / "web" / "static"]
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = False
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "login"

# Transport security: on unless the installation is on one machine without TLS.
BEHIND_TLS = env.flag("BEHIND_TLS", False)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = BEHIND_TLS
SECURE_HSTS_SECONDS = env.integer("HSTS_SECONDS", 31_536_000) if BEHIND_TLS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = BEHIND_TLS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if BEHIND_TLS else None
SECURE_REDIRECT_EXEMPT = [r"^health/"]
SESSION_COOKIE_HTTPONLY = True
X_FRAME_OPTIONS = "DENY"

# Data
DATABASES = {"default": env.database("DATABASE_URL", REGISTRY_DATA_DIR / "registry.sqlite3")}
DATABASES["default"]["ATOMIC_REQUESTS"] = False
VECTORS_URL = env.text("VECTORS_URL", "")
if VECTORS_URL:  # galleries may keep their vectors in PostgreSQL, in a database of its own
    DATABASES["vectors"] = env.vectors_database("VECTORS_URL", other_than=DATABASES["default"])
    DATABASE_ROUTERS = ["workers.engines.vectors.router.VectorsRouter"]
    INSTALLED_APPS.append("workers.engines.vectors")
MILVUS_URL = env.text("MILVUS_URL", "")
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
MAX_UPLOAD_BYTES = env.integer("MAX_UPLOAD_BYTES", 4 << 30, minimum=1)
FILE_UPLOAD_HANDLERS = ["django.core.files.uploadhandler.TemporaryFileUploadHandler"]
FILE_UPLOAD_TEMP_DIR = REGISTRY_DATA_DIR / "spool"
FILE_UPLOAD_TEMP_DIR.mkdir(exist_ok=True, mode=0o700)
DATA_UPLOAD_MAX_MEMORY_SIZE = 16 << 20
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en-us"

# People
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

# Search process
SEARCH_URL = env.text("SEARCH_URL", "http://127.0.0.1:8701")
SEARCH_SECRET = env.text("SEARCH_SECRET", "") or secret(REGISTRY_DATA_DIR, "search_secret")
SEARCH_TIMEOUT_S = env.integer("SEARCH_TIMEOUT_S", 30, minimum=1)

# Children that run uploaded models
CHILD_MEMORY_BYTES = env.integer("CHILD_MEMORY_BYTES", 8 << 30, minimum=1 << 28)
CHILD_CPU_S = env.integer("CHILD_CPU_S", 3600, minimum=1)
CHILD_WALL_S = env.integer("CHILD_WALL_S", 7200, minimum=1)
COMPUTE_DEVICE = env.text("COMPUTE_DEVICE", "auto")

# Jobs
CELERY_BROKER_URL = env.text("CELERY_BROKER_URL", "registry-files://")
LEASE_S = env.integer("LEASE_S", 60, minimum=1)
SWEEP_EVERY_S = env.integer("SWEEP_EVERY_S", 20, minimum=1)
CANARY_CHECK_EVERY_S = env.integer("CANARY_CHECK_EVERY_S", 24 * 3600)

# Logs that are shortened
IDEMPOTENCY_KEPT_DAYS = env.integer("IDEMPOTENCY_KEPT_DAYS", 7, minimum=1, maximum=36_500)
DELIVERIES_KEPT_DAYS = env.integer("DELIVERIES_KEPT_DAYS", 90, minimum=1, maximum=36_500)

# Webhooks: whether they may go over http and to private, loopback and carrier-grade addresses.
WEBHOOK_ALLOW_PRIVATE = env.flag("WEBHOOK_ALLOW_PRIVATE", False)

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["registry.api.authentication.TokenAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "registry.api.errors.handle_exception",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Graceful Registry",
    "DESCRIPTION": "A model registry with a compatibility-enforced upgrade workflow.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "ENUM_NAME_OVERRIDES": {
        "OutcomeEnum": [outcome.value for outcome in Outcome],
        "FlipKindEnum": ["negative", "positive"],
        "DecisionKindEnum": ["approve", "reject"],
        "VerdictKindEnum": ["comparison", "first_version"],
        "MoveKindEnum": ["promote", "roll_back"],
        "UploadKindEnum": ["model", "table"],
        "GalleryKindEnum": ["embedded", "attached"],
        "InspectionStateEnum": ["inspecting", "ready", "refused"],
        "UpgradeStateEnum": [
            *("evaluating", "judged", "promoted", "rolled_back", "replaced", "withdrawn"),
            *("rejected", "refused", "superseded"),
        ],
        "WorkStateEnum": ["queued", "running", "done", "failed"],
        "ScheduleStateEnum": ["open", "done", "refused", "expired", "cancelled"],
        "SafeguardStateEnum": ["armed", "refused", "rolled_back", "idle"],
        "ReactionEnum": ["rolled_back", "refused", "none"],
        "BackfillStateEnum": ["running", "paused", "stopped", "done", "superseded"],
        "StepStateEnum": ["missing", "queued", "running", "done", "failed"],
    },
}
SILENCED_SYSTEM_CHECKS: list[str] = []
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": env.text("LOG_LEVEL", "INFO")},
}
