"""Addresses of the search process."""

from django.urls import path

from workers.serving import views

urlpatterns = [
    path("health/", views.health),
    path("metrics", views.metrics),
    path("galleries/<str:name>/search", views.search),
]
handler404 = "workers.serving.views.unknown_address"
handler500 = "workers.serving.views.internal_error"
