"""Its tables, one endpoint that verifies signatures (its default), and customers that it knows already."""

import os

import django
import stripe
from django.core.management import call_command

django.setup()
call_command("migrate", run_syncdb=True, verbosity=0)
from djstripe.models import Account, Customer, WebhookEndpoint  # noqa: E402 - needs Django set up

from benchmarks.events import CUSTOMERS, customer_id  # noqa: E402 - as above
from benchmarks.sides.djstripe.settings import STRIPE_TEST_SECRET_KEY  # noqa: E402 - as above

account = Account.get_or_retrieve_for_api_key(STRIPE_TEST_SECRET_KEY)
WebhookEndpoint.objects.create(
    id="we_benchmark",
    djstripe_uuid=os.environ["ENDPOINT"],
    djstripe_owner_account=account,
    secret=os.environ["STRIPE_WEBHOOK_SECRET"],
    livemode=False,
    enabled_events=["*"],
    status="enabled",
    url="https://shop.example/stripe/webhook/",
)
for number in range(CUSTOMERS):
    data = stripe.Customer.retrieve(customer_id(number), api_key=STRIPE_TEST_SECRET_KEY)
    Customer.sync_from_stripe_data(data, api_key=STRIPE_TEST_SECRET_KEY)
