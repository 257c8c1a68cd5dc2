"""The pipeline `product_ad`: from photographs of products to finished ads, by calls of other stages."""
