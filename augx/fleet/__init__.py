"""One plan made by many processes that share nothing but the output: a fleet.

The plan is cut into units by counting alone. Whoever makes a unit writes its files, then its receipt; what has a receipt is
done. When all are there, ``finalize`` joins the receipts to the one manifest that a single run would have written.
"""
