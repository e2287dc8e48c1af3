"""Addresses of the search process."""

from django.urls import path

from workers.serving import preview_views, views

urlpatterns = [
    path("health/", views.health),
    path("metrics", views.metrics),
    path("galleries/<str:name>/search", views.search),
    path("preview/galleries/<str:name>", preview_views.preview),
    path("preview/galleries/<str:name>/samples", preview_views.preview_samples),
]
handler404 = "workers.serving.views.unknown_address"
handler500 = "workers.serving.views.internal_error"
