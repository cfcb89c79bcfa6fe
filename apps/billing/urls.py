"""Where links to pay and to store a card lead."""

from django.urls import path

from apps.billing import views

app_name = "billing"
urlpatterns = [
    path("<str:token>/", views.pay, name="pay"),
    path("<str:token>/thanks/", views.thanks, name="thanks"),
    path("<str:token>/cancelled/", views.cancelled, name="cancelled"),
    path("<str:token>/card/", views.card, name="card"),
    path("<str:token>/card/thanks/", views.card_thanks, name="card_thanks"),
    path("<str:token>/card/cancelled/", views.card_cancelled, name="card_cancelled"),
]
