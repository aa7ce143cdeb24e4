"""The prebuilt model server for scikit-learn, XGBoost and LightGBM: Vertex's serving contract over one model file."""
