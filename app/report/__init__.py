"""What a run did: its events, its records, its measures, and the page that shows them."""
