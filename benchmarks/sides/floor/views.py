"""Verify, parse, one INSERT, answer."""

import json
import os

import stripe
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from benchmarks.sides.floor.models import Event

SECRET = os.environ["STRIPE_WEBHOOK_SECRET"]


@csrf_exempt
def receive(request: HttpRequest) -> HttpResponse:
    body = request.body.decode()
    try:
        stripe.WebhookSignature.verify_header(body, request.headers.get("Stripe-Signature", ""), SECRET, 300)
    except stripe.SignatureVerificationError:
        return HttpResponse(status=400)
    event = json.loads(body)
    Event.objects.create(event_id=event["id"], type=event["type"], body=body, received_at=timezone.now())
    return HttpResponse("Stored.")


urlpatterns = [path("stripe/", receive)]
