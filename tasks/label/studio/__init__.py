"""The one package that touches Label Studio: its HTTP API, by httpx.

Its own SDK would pull in fifty packages (pandas, nltk, lxml …) for the dozen requests that are made here.
"""
