"""Where owners see and pay what their firm owes the platform."""

from django.urls import path

from apps.subscriptions import views

app_name = "subscriptions"
urlpatterns = [
    path("", views.mine, name="mine"),
    path("sign-in/", views.SignIn.as_view(), name="sign-in"),
    path("sign-out/", views.SignOut.as_view(), name="sign-out"),
    path("<int:pk>/", views.page, name="page"),
    path("<int:pk>/pay/", views.pay, name="pay"),
    path("<int:pk>/cancel/", views.cancel, name="cancel"),
    path("<int:pk>/keep/", views.keep, name="keep"),
    path("<int:pk>/back/<str:reference>/", views.back, name="back"),
]
