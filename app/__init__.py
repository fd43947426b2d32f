"""The Streamlit app: `main.py` is the page, every other file a panel of it. Only this package imports streamlit."""
